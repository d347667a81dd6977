import { providerProblem } from "../../onnx/runtime/device";
import type { Provider } from "../../onnx/runtime/providers";
import { gemmSpeed } from "../../onnx/runtime/self-test";

/** A device's speed in products of float32 matrices, or its problem. */
export interface DeviceState {
  readonly gigaflops?: number;
  readonly problem?: string;
}

export const deviceWords = ({ gigaflops, problem }: DeviceState): string =>
  problem === undefined
    ? `works: ${gigaflops!.toPrecision(3)} GFLOP/s in float32 matrix products`
    : `cannot be used: ${problem}`;

/** Tries every device, and measures its speed. */
export async function examineDevices(selfTestMs: number): Promise<Readonly<Record<Provider, DeviceState>>> {
  const problems = await Promise.all(
    providers.map(async (provider) => [provider, await providerProblem(provider)] as const),
  );
  const working = problems.filter(([, problem]) => problem === undefined).length;
  const states: [Provider, DeviceState][] = [];
  // One device after the other, because they share the machine.
  for (const [provider, problem] of problems)
    states.push([
      provider,
      problem !== undefined
        ? { problem }
        : await gemmSpeed(provider, selfTestMs / working).then(
            (gigaflops) => ({ gigaflops }),
            (error: Error) => ({ problem: error.message }),
          ),
    ]);
  return Object.fromEntries(states) as Record<Provider, DeviceState>;
}

export const providers: readonly Provider[] = ["cpu", "cuda", "webgpu"];
