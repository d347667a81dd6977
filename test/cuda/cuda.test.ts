import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, vi } from "vitest";
import { onnxBackend } from "../../src/backends/onnx";
import { providerProblem } from "../../src/onnx/runtime/device";
import type { SessionOptions } from "../../src/onnx/runtime/session";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, promptOf, reference } from "../models/reference";

const asked: (SessionOptions | undefined)[] = [];
vi.mock("../../src/onnx/runtime/session", async (original) => {
  const session = await original<typeof import("../../src/onnx/runtime/session")>();
  const createSession: typeof session.createSession = (graph, outputs, options) => {
    asked.push(options);
    return session.createSession(graph, outputs, options);
  };
  return { ...session, createSession };
});
// Graphs optimised as for a GPU, run by the CPU.
vi.mock("../../src/onnx/runtime/providers", async (original) => {
  const { providerOptions } = await original<typeof import("../../src/onnx/runtime/providers")>();
  const cuda = () => ({ ...providerOptions.cuda(false), executionProviders: ["cpu" as const] });
  return { providerOptions: { ...providerOptions, cuda } };
});
// As on a machine with a GPU.
vi.mock("../../src/onnx/runtime/device", async (original) => ({
  ...(await original<object>()),
  placeOn: async (provider: string, threads: number) => ({ provider, threads }),
}));

const example = reference.cases.find(({ grids }) => grids.length > 0)!;
const placement = { device: "cuda", threads: 1 } as const;
const options = { maxTokens: 2, seed: 0 };

it("every graph of a trainer and of a backend is made for the device that was asked for: pictures, sampling, scoring, gradients", async () => {
  for (const lora of [undefined, { rank: 1 }]) {
    asked.length = 0;
    const trainer = await onnxTrainer({ model: checkpointDir, ...placement, ...(lora && { lora }) });
    const sequence = { prompt: promptOf(example), completion: [...example.completionIds] };
    await trainer.sampler().generate([sequence.prompt], options);
    await trainer.logProbs([sequence], { policy: "reference" });
    const raise = (logProbs: readonly Float64Array[]) => ({
      loss: 0,
      gradient: logProbs.map((row) => row.map(() => -1)),
    });
    await trainer.forwardBackward([sequence], raise);
    await trainer.dispose();
    expect(asked.length).toBeGreaterThanOrEqual(4);
    for (const one of asked) expect(one).toMatchObject({ provider: "cuda", threads: 1 });
  }
  asked.length = 0;
  const backend = await onnxBackend({ model: checkpointDir, ...placement });
  await backend.generate([promptOf(example)], options);
  await backend.dispose();
  expect(asked.length).toBeGreaterThanOrEqual(2);
  for (const one of asked) expect(one).toMatchObject({ provider: "cuda", threads: 1 });
});

it("half-precision weights are not converted before they come to the GPU, and make the same tokens", async () => {
  const model = fileURLToPath(new URL("../../examples/tiny-vlm/checkpoint", import.meta.url));
  const texts = [];
  for (const device of ["cpu", "cuda"] as const) {
    const backend = await onnxBackend({ model, device, threads: 1 });
    texts.push((await backend.generate([promptOf(example)], { maxTokens: 8, temperature: 0, seed: 0 }))[0]![0]!.text);
    await backend.dispose();
  }
  expect(texts[1]).toBe(texts[0]);
});

it.skipIf((await providerProblem("cuda")) === undefined)(
  "npm run test:cuda without CUDA fails, says what is missing and how to install it, and measures nothing",
  async () => {
    const script = fileURLToPath(new URL("run.ts", import.meta.url));
    const error: { code?: number; stderr?: string; stdout?: string } = await promisify(execFile)(process.execPath, [
      ...["--import", "tsx", script],
    ]).then(
      () => ({}),
      (failed: object) => failed,
    );
    expect(error.code).toBe(1);
    expect(error.stderr).toContain(`CUDA cannot be used here: ${await providerProblem("cuda")}`);
    if (process.platform === "linux") expect(error.stderr).toContain("libonnxruntime_providers_cuda.so");
    expect(error.stdout).toBe("");
  },
);
