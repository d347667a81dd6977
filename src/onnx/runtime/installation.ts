import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Path of onnxruntime-node's entry point; does not load it. */
export const runtimePath = (): string => createRequire(import.meta.url).resolve("onnxruntime-node");

export const runtimeVersion = (): string =>
  (createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string }).version;

/** Folder of its native libraries for this platform. */
export const nativeFolder = (): string =>
  join(dirname(runtimePath()), "..", "bin", "napi-v6", process.platform, process.arch);
