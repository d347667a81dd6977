import { readdir, statfs } from "node:fs/promises";
import { availableParallelism, freemem } from "node:os";
import { dirname } from "node:path";
import { memoryLimit } from "../engine/memory/estimate";
import { cacheFolder } from "../models/hub/cache";
import { accessToken } from "../models/hub/token";
import { cudaLibraries } from "../onnx/runtime/cuda-libraries";
import { providerProblem } from "../onnx/runtime/device";
import { runtimeVersion } from "../onnx/runtime/installation";
import type { Provider } from "../onnx/runtime/providers";
import { gemmSpeed } from "../onnx/runtime/self-test";
import { version, type Write } from "./command";
import { examineTorch } from "./doctor-torch";

/**
 * Prints this machine's equipment for the library, and measures its speed.
 * @returns 0 when the library can run here, on the CPU at least; else 1
 */
export async function doctor(write: Write, selfTestMs = 2000, engine = "onnx"): Promise<number> {
  const row = (name: string, value: string) => write(`${name.padEnd(14)}${value}\n`);
  if (engine === "torch") {
    const { facts, canRun } = await examineTorch();
    for (const [name, value] of facts) row(name, value);
    write(canRun ? "\ntorchTrainer can run here.\n" : "\ntorchTrainer cannot run here.\n");
    return canRun ? 0 : 1;
  }
  row("rise-ts", version());
  row("Node", `${process.versions.node} on ${process.platform} ${process.arch}`);
  try {
    row("onnxruntime", runtimeVersion());
  } catch (error) {
    row("onnxruntime", `cannot be found: ${(error as Error).message.split("\n")[0]}\n\nrise-ts cannot run here.`);
    return 1;
  }
  row("threads", String(availableParallelism()));
  row("memory", `${gigabytes(freemem())} free of ${gigabytes(memoryLimit())}`);
  row("model cache", await describeCache());
  row("hub", await describeHub());

  const problems = await Promise.all(
    providers.map(async (provider) => [provider, await providerProblem(provider)] as const),
  );
  const working = problems.filter(([, problem]) => problem === undefined).map(([provider]) => provider);
  const failed = new Map(
    problems.flatMap(([provider, problem]) => (problem === undefined ? [] : [[provider, problem]])),
  );
  write("\n");
  for (const provider of providers) {
    const problem = failed.get(provider);
    if (problem === undefined)
      await gemmSpeed(provider, selfTestMs / working.length).then(
        (speed) => row(provider, `works: ${speed.toPrecision(3)} GFLOP/s in float32 matrix products`),
        (error: Error) => {
          failed.set(provider, error.message);
        },
      );
    if (failed.has(provider)) row(provider, `cannot be used: ${failed.get(provider)}`);
  }

  if (process.platform === "linux") {
    write("\nWhat CUDA needs:\n");
    for (const { name, path } of await cudaLibraries()) write(`  ${name.padEnd(36)}${path ?? "not found"}\n`);
  }
  const auto = failed.has("cuda") ? "cpu" : "cuda";
  write(failed.has(auto) ? "\nrise-ts cannot run here.\n" : `\ndevice: "auto" is "${auto}" here.\n`);
  return failed.has("cpu") ? 1 : 0;
}

const providers: readonly Provider[] = ["cpu", "cuda", "webgpu"];

async function describeCache(): Promise<string> {
  const folder = await cacheFolder();
  const entries = await readdir(folder).catch(() => undefined);
  const models = (entries ?? []).filter((name) => name.startsWith("models--")).length;
  const free = await freeBytes(folder);
  return `${folder} (${entries ? `${models} models` : "not there yet"}, ${gigabytes(free)} free)`;
}

/** Free bytes on the disk of a folder, or of its nearest existing parent. */
const freeBytes = (folder: string): Promise<number> =>
  statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => freeBytes(dirname(folder)),
  );

async function describeHub(): Promise<string> {
  const { HF_ENDPOINT, HF_HUB_OFFLINE } = process.env;
  const token = await accessToken();
  return [
    HF_ENDPOINT || "https://huggingface.co",
    token && token.from !== "HF_TOKEN" ? `token in ${token.from}` : `HF_TOKEN is ${token ? "" : "not "}set`,
    ...(HF_HUB_OFFLINE ? [`HF_HUB_OFFLINE is ${HF_HUB_OFFLINE}`] : []),
  ].join(", ");
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
