import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { packagePath } from "../../files/package-path";

/** The folder of the Python files that this package ships. */
export const pythonFolder = (): string => join(dirname(packagePath("rise-ts/package.json")), "python");

/** The Python to run without an option that names one. */
export const defaultPython = (): string => process.env.RISE_PYTHON ?? "python3";

/** Versions below these lack something that the worker uses. */
const least: Readonly<Record<string, string>> = {
  torch: "2.13",
  transformers: "5.16",
  peft: "0.19",
  pillow: "11",
  safetensors: "0.5",
};

export interface PythonReport {
  /** The version of each package, or null. */
  readonly versions: Readonly<Record<string, string | null>>;
  /** Packages that are missing or too old; empty if the worker can run. */
  readonly problems: readonly string[];
  /** The command that installs what is missing. */
  readonly install: string;
}

/** Asks a Python for the packages of the worker, without loading them. */
export async function checkPython(python: string): Promise<PythonReport> {
  const install = `${python} -m pip install -r ${join(pythonFolder(), "requirements-torch.txt")}`;
  const found = await promisify(execFile)(python, ["-c", program, ...Object.keys(least)], { timeout: 60_000 }).then(
    ({ stdout }) => JSON.parse(stdout) as Record<string, string | null>,
    (error: Error & { readonly code?: unknown }) => error,
  );
  if (found instanceof Error) {
    const reason = found.code === "ENOENT" ? "no such program" : found.message.trim().split("\n").at(-1);
    return { versions: {}, problems: [`expected a Python at ${python}, got ${reason}`], install };
  }
  const problems = Object.entries(least).flatMap(([name, version]) =>
    isAtLeast(found[name] ?? "0", version)
      ? []
      : [`expected ${name} ${version} or later, got ${found[name] ?? "none"}`],
  );
  return { versions: found, problems, install };
}

/** The versions that the worker is tested with, one line each. */
export const pinnedVersions = (): Promise<string> => readFile(join(pythonFolder(), "requirements-torch.txt"), "utf8");

const program = `
import importlib.metadata, json, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print(json.dumps({name: version(name) for name in sys.argv[1:]}))`;

function isAtLeast(version: string, wanted: string): boolean {
  const [a, b] = [version, wanted].map((text) => text.split(".").map((part) => Number.parseInt(part, 10) || 0));
  const at = b!.findIndex((part, i) => (a![i] ?? 0) !== part);
  return at < 0 || (a![at] ?? 0) > b![at]!;
}
