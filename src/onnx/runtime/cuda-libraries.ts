import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { nativeFolder } from "./installation";

/** onnxruntime's own libraries, which its package downloads instead of containing. */
const providerLibraries = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

export interface SharedLibrary {
  readonly name: string;
  /** Its path for the dynamic linker; undefined if it is missing. */
  readonly path: string | undefined;
}

/** The libraries that `device: "cuda"` needs, and their paths: onnxruntime's own, and NVIDIA's that those link to. */
export async function cudaLibraries(): Promise<SharedLibrary[]> {
  const own = providerLibraries.map((name) => {
    const path = join(nativeFolder(), name);
    return { name, path: existsSync(path) ? path : undefined };
  });
  const provider = own.at(-1)!.path;
  if (provider === undefined) return own;
  // libcuda.so.1 comes with the driver.
  return [...own, ...(await neededLibraries(provider)).filter(({ name }) => /^lib(cu|nv)/.test(name))];
}

/** The libraries that `library` links to, as the dynamic linker resolves them here; empty without `ldd`. */
export async function neededLibraries(library: string): Promise<SharedLibrary[]> {
  const { stdout } = await promisify(execFile)("ldd", [library]).catch(() => ({ stdout: "" }));
  return [...stdout.matchAll(/^\s*(\S+) => (?:(\/.+) \(0x|not found)/gm)].map(([, name, path]) => ({
    name: name!,
    path,
  }));
}
