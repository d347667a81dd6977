/**
 * Holds this library on an NVIDIA GPU to what transformers and PEFT computed, and measures it beside the CPU. Needs the GPU, its driver, and onnxruntime's
 * CUDA provider with the CUDA libraries that it was linked with, and neither a network nor Python. Without them it says what is missing, and fails.
 *
 *   npm run test:cuda
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cudaLibraries } from "../../src/onnx/runtime/cuda-libraries";
import { providerProblem } from "../../src/onnx/runtime/device";

const problem = await providerProblem("cuda");
if (problem !== undefined) {
  console.error(`CUDA cannot be used here: ${problem}`);
  if (process.platform === "linux")
    for (const { name, path } of await cudaLibraries()) console.error(`  ${name.padEnd(36)}${path ?? "not found"}`);
  process.exitCode = 1;
} else {
  const ran = [
    // cuBLAS would round factors to TF32's ten bits, which is its default: it reads this before it multiplies.
    start("./parity.ts", ["float32"], { NVIDIA_TF32_OVERRIDE: "0" }),
    start("./parity.ts", ["TF32"], {}),
    start("./parity.ts", ["half"], {}),
    start("../../bench/devices.ts", ["cuda"], {}),
  ];
  process.exitCode = ran.every((ok) => ok) ? 0 : 1;
}

/** In a process of its own: the setting holds for a whole process. */
function start(script: string, args: readonly string[], env: Readonly<Record<string, string>>): boolean {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status } = spawnSync(process.execPath, ["--import", "tsx", path, ...args], {
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  return status === 0;
}
