import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { nativeFolder } from "./installation";

/** onnxruntime's own, which its package does not contain but downloads. */
const providerLibraries = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

export interface SharedLibrary {
  readonly name: string;
  /** Where the dynamic linker finds it. */
  readonly path: string | undefined;
}

/**
 * The libraries that `device: "cuda"` needs, and where they are: onnxruntime's own, and those of NVIDIA that these were
 * linked with.
 */
export async function cudaLibraries(): Promise<SharedLibrary[]> {
  const own = await Promise.all(
    providerLibraries.map(async (name) => {
      const path = join(nativeFolder(), name);
      const isThere = await access(path).then(
        () => true,
        () => false,
      );
      return { name, path: isThere ? path : undefined };
    }),
  );
  const provider = own.at(-1)!.path;
  if (provider === undefined) return own;
  // libcuda.so.1 is the driver's.
  return [...own, ...(await neededLibraries(provider)).filter(({ name }) => /^lib(cu|nv)/.test(name))];
}

/** What a shared library was linked with, as the dynamic linker sees it here; nothing where there is no `ldd`. */
export async function neededLibraries(library: string): Promise<SharedLibrary[]> {
  const { stdout } = await promisify(execFile)("ldd", [library]).catch(() => ({ stdout: "" }));
  return [...stdout.matchAll(/^\s*(\S+) => (?:(\/.+) \(0x|not found)/gm)].map(([, name, path]) => ({
    name: name!,
    path,
  }));
}
