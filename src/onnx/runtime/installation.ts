import { dirname, join, relative } from "node:path";
import { packagePath, packageVersion } from "../../files/package-path";

/** Path of onnxruntime-node's entry point; does not load it. */
export const runtimePath = (): string => packagePath("onnxruntime-node");

export const runtimeVersion = (): string => packageVersion("onnxruntime-node");

export const nativeFolder = (): string =>
  join(dirname(runtimePath()), "..", "bin", "napi-v6", process.platform, process.arch);

/** The command that fetches onnxruntime's CUDA libraries, whatever npm thinks of install scripts. */
export function cudaInstallation(): string {
  const script = join(dirname(runtimePath()), "..", "script", "install");
  const near = relative(process.cwd(), script);
  return `ONNXRUNTIME_NODE_INSTALL=cuda12 node ${near.startsWith("..") ? script : near}`;
}
