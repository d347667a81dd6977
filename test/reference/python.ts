import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** Runs a script to its end; what it prints is returned, or written to a file. */
export interface Python {
  (script: string, ...args: readonly string[]): Promise<string>;
  writing(path: string, script: string, ...args: readonly string[]): Promise<void>;
}

/** RISE_PYTHON, or an environment in `folder` that has the packages of `requirements`. */
export async function createPython(requirements: string, folder: string): Promise<Python> {
  const program = process.env.RISE_PYTHON ?? (await pythonWith(requirements, folder));
  const python = (script: string, ...args: readonly string[]) => run(program, script, ...args);
  return Object.assign(python, {
    writing: async (path: string, script: string, ...args: readonly string[]) =>
      writeFile(path, await python(script, ...args)),
  });
}

/** The Python of an environment in `folder`, which is made if it is not there, with the packages of `requirements`. */
export async function pythonWith(requirements: string, folder: string): Promise<string> {
  const program = join(folder, "bin", "python");
  if (!existsSync(program)) await run("python3", "-m", "venv", folder);
  await run(program, "-m", "pip", "install", "--quiet", "--requirement", requirements);
  return program;
}

async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 2 ** 28 });
  return stdout;
}
