import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeSafetensors } from "../src/models/qwen2-vl/safetensors";

const run = promisify(execFile);

/**
 * What a script of bench/reference measures with PyTorch and what builds on it on the same work: RISE_PYTHON, else python3. Undefined, and said so,
 * where that Python cannot import them.
 * @param arrays float32 tensors that the script reads
 */
export async function yardstick<Result>(
  script: string,
  work: Readonly<Record<string, unknown>>,
  arrays: Parameters<typeof writeSafetensors>[1],
  packages = ["torch", "transformers"],
): Promise<Result | undefined> {
  const python = process.env.RISE_PYTHON ?? "python3";
  try {
    await run(python, ["-c", `import ${packages.join(", ")}, safetensors`]);
  } catch {
    console.log(
      `PyTorch: skipped, ${python} cannot import ${packages.join(" and ")} (RISE_PYTHON names another Python)`,
    );
    return undefined;
  }
  const dir = await mkdtemp(join(tmpdir(), "rise-bench-"));
  try {
    const [settings, tensors] = [join(dir, "work.json"), join(dir, "arrays.safetensors")];
    await writeFile(settings, JSON.stringify({ threads: availableParallelism(), ...work }));
    await writeSafetensors(tensors, arrays);
    const path = fileURLToPath(new URL(`reference/${script}`, import.meta.url));
    const { stdout } = await run(python, [path, settings, tensors], { maxBuffer: 2 ** 26 });
    return JSON.parse(stdout) as Result;
  } finally {
    await rm(dir, { recursive: true });
  }
}
