import { readdir, statfs } from "node:fs/promises";
import { availableParallelism, freemem } from "node:os";
import { dirname } from "node:path";
import { memoryLimit } from "../../engine/memory/estimate";
import { cacheFolder } from "../../models/hub/cache";
import { accessToken } from "../../models/hub/token";
import { cudaLibraries } from "../../onnx/runtime/cuda-libraries";
import { runtimeVersion } from "../../onnx/runtime/installation";
import { counted } from "../../options/display";
import { choice } from "../../options/spec";
import { type Command, type Outcome, version } from "../frame/command";
import { exitCodes } from "../frame/exit-codes";
import { deviceWords, examineDevices, providers } from "./devices";
import { examineTorch } from "./doctor-torch";

/** Says what this machine has for the library, or for `torchTrainer`, and measures its speed. */
export const doctor: Command = {
  flags: { engine: choice(["onnx", "torch"]).default("onnx").describe("torch: the Python behind torchTrainer") },
  run: ({ flags }) => (flags.engine === "torch" ? examineEngine() : examine()),
};

/** @returns code 0 when `torchTrainer` can run here */
async function examineEngine(): Promise<Outcome> {
  const { facts, canRun } = await examineTorch();
  const verdict = `torchTrainer ${canRun ? "can" : "cannot"} run here.`;
  return {
    result: { ...Object.fromEntries(facts), canRun },
    text: `${rows(facts)}\n\n${verdict}`,
    code: canRun ? exitCodes.done : exitCodes.failed,
  };
}

/**
 * Examines this machine.
 * @returns code 0 when the library can run here, on the CPU at least
 */
export async function examine(selfTestMs = 2000): Promise<Outcome> {
  const facts: [name: string, value: string][] = [
    ["rise-ts", version()],
    ["Node", `${process.versions.node} on ${process.platform} ${process.arch}`],
  ];
  try {
    facts.push(["onnxruntime", runtimeVersion()]);
  } catch (error) {
    facts.push(["onnxruntime", `cannot be found: ${(error as Error).message.split("\n")[0]}`]);
    const text = `${rows(facts)}\n\nrise-ts cannot run here.`;
    return { result: Object.fromEntries(facts), text, code: exitCodes.failed };
  }
  facts.push(
    ["threads", String(availableParallelism())],
    ["memory", `${gigabytes(freemem())} free of ${gigabytes(memoryLimit())}`],
    ["model cache", await describeCache()],
    ["hub", await describeHub()],
  );
  const devices = await examineDevices(selfTestMs);
  const libraries = process.platform === "linux" ? await cudaLibraries() : [];
  const auto = devices.cuda.problem === undefined ? "cuda" : "cpu";
  const canRun = devices[auto].problem === undefined;
  const parts = [
    rows(facts),
    rows(providers.map((provider) => [provider, deviceWords(devices[provider])])),
    ...(libraries.length > 0
      ? [
          `What CUDA needs:\n${libraries.map(({ name, path }) => `  ${name.padEnd(36)}${path ?? "not found"}`).join("\n")}`,
        ]
      : []),
    canRun ? `device: "auto" is "${auto}" here.` : "rise-ts cannot run here.",
  ];
  return {
    result: { ...Object.fromEntries(facts), devices, libraries, ...(canRun && { auto }) },
    text: parts.join("\n\n"),
    code: devices.cpu.problem === undefined ? exitCodes.done : exitCodes.failed,
  };
}

const rows = (facts: readonly (readonly [name: string, value: string])[]) =>
  facts.map(([name, value]) => `${name.padEnd(14)}${value}`).join("\n");

async function describeCache(): Promise<string> {
  const folder = await cacheFolder();
  const entries = await readdir(folder).catch(() => undefined);
  const models = (entries ?? []).filter((name) => name.startsWith("models--")).length;
  const free = await freeBytes(folder);
  return `${folder} (${entries ? counted(models, "model") : "not there yet"}, ${gigabytes(free)} free)`;
}

/** Free bytes on the disk of a folder, or of its nearest existing parent; 0 on a drive that is not there. */
const freeBytes = (folder: string): Promise<number> =>
  statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => (dirname(folder) === folder ? 0 : freeBytes(dirname(folder))),
  );

async function describeHub(): Promise<string> {
  const { HF_ENDPOINT, HF_HUB_OFFLINE } = process.env;
  const token = await accessToken();
  return [
    HF_ENDPOINT || "https://huggingface.co",
    token && token.from !== "HF_TOKEN" ? `token in ${token.from}` : `HF_TOKEN is ${token ? "" : "not "}set`,
    ...(HF_HUB_OFFLINE ? [`HF_HUB_OFFLINE is ${HF_HUB_OFFLINE}`] : []),
  ].join(", ");
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
