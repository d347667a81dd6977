import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packagePath } from "../../files/package-path";

/** Path of onnxruntime-node's entry point; does not load it. */
export const runtimePath = (): string => packagePath("onnxruntime-node");

export const runtimeVersion = (): string =>
  (JSON.parse(readFileSync(packagePath("onnxruntime-node/package.json"), "utf8")) as { version: string }).version;

export const nativeFolder = (): string =>
  join(dirname(runtimePath()), "..", "bin", "napi-v6", process.platform, process.arch);
