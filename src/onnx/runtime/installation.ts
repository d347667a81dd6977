import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** onnxruntime-node's entry point; nothing of it is loaded. */
export const runtimePath = (): string => createRequire(import.meta.url).resolve("onnxruntime-node");

export const runtimeVersion = (): string =>
  (createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string }).version;

/** Where its native libraries for this platform lie. */
export const nativeFolder = (): string =>
  join(dirname(runtimePath()), "..", "bin", "napi-v6", process.platform, process.arch);
