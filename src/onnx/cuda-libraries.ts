import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { nativeFolder } from "./runtime";

/** Of the NVIDIA driver, CUDA 12 and cuDNN 9: what onnxruntime's CUDA provider is linked with. */
const systemLibraries = [
  "libcuda.so.1",
  "libcudart.so.12",
  "libcublas.so.12",
  "libcublasLt.so.12",
  "libcufft.so.11",
  "libcurand.so.10",
  "libcudnn.so.9",
];

/** onnxruntime's own, which its package does not contain but downloads. */
const providerLibraries = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

export interface SharedLibrary {
  readonly name: string;
  /** Where the dynamic linker finds it. */
  readonly path: string | undefined;
}

/** The libraries that `device: "cuda"` needs, and where they are: beside onnxruntime, on LD_LIBRARY_PATH, or in the linker's cache. */
export async function cudaLibraries(): Promise<SharedLibrary[]> {
  const folders = (process.env.LD_LIBRARY_PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const cached = await linkerCache();
  return Promise.all([
    ...providerLibraries.map(async (name) => ({ name, path: await firstExisting([join(nativeFolder(), name)]) })),
    ...systemLibraries.map(async (name) => ({
      name,
      path: (await firstExisting(folders.map((folder) => join(folder, name)))) ?? cached.get(name),
    })),
  ]);
}

async function linkerCache(): Promise<ReadonlyMap<string, string>> {
  const run = (command: string) => promisify(execFile)(command, ["-p"], { maxBuffer: 2 ** 24 });
  // A user's PATH often lacks /sbin; systems other than Linux have no such cache.
  const { stdout } = await run("ldconfig").catch(() => run("/sbin/ldconfig").catch(() => ({ stdout: "" })));
  return new Map([...stdout.matchAll(/^\s*(\S+) \(.*\) => (.+)$/gm)].map(([, name, path]) => [name!, path!]));
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
