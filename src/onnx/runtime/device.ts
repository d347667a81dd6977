import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { BackendError, ConfigError } from "../../errors";
import { createGraph, matMul } from "../graph/graph";
import { cudaLibraries } from "./cuda-libraries";
import { cudaInstallation, runtimePath } from "./installation";
import type { Provider } from "./providers";
import { serialiseModel } from "./serialise";
import type { Placement } from "./session";

/** `auto` means CUDA if it works, else the CPU; where there is an NVIDIA GPU, a warning then says why. */
export type Device = "auto" | Provider;

export const devices = ["auto", "cpu", "cuda", "webgpu"] as const satisfies readonly Device[];

/**
 * Chooses the placement for `device`, and tries it before anything is loaded.
 * @throws ConfigError for an unknown device; BackendError with installation advice if the device does not work
 */
export async function placeOn(device: Device, threads?: number): Promise<Placement> {
  const limit = threads === undefined ? {} : { threads };
  if (!devices.includes(device))
    throw new ConfigError(
      `device: expected ${devices.map((name) => `"${name}"`).join(", ")}, got ${JSON.stringify(device)}`,
    );
  if (device === "cpu") return { provider: "cpu", ...limit };
  const provider = device === "auto" ? "cuda" : device;
  const problem = await providerProblem(provider);
  if (problem === undefined) return { provider, ...limit, memory: await gpuMemory() };
  if (device !== "auto") throw new BackendError(`device "${device}": ${problem}`);
  if (hasNvidiaGpu())
    warnOnce(`rise-ts runs on the CPU, because CUDA does not work: ${problem} (device: "cpu" says that this is meant)`);
  return { provider: "cpu", ...limit };
}

/** The traces of NVIDIA's driver, the last one in Windows' Linux. */
const nvidiaFiles = ["/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"];

/** Whether somebody may miss CUDA here. */
export const hasNvidiaGpu = (): boolean => nvidiaFiles.some((file) => existsSync(file));

/** Bytes assumed for a GPU that does not report its memory. */
const leastMemory = 2 ** 33;

/** Bytes of the smallest NVIDIA GPU, as its driver reports them. */
async function gpuMemory(): Promise<number> {
  const asked = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
  const { stdout } = await promisify(execFile)("nvidia-smi", asked).catch(() => ({ stdout: "" }));
  const sizes = [...stdout.matchAll(/\d+/g)].map(([mebibytes]) => Number(mebibytes) * 2 ** 20);
  return sizes.length > 0 ? Math.min(...sizes) : leastMemory;
}

const found = new Map<Provider, Promise<string | undefined>>();

/** Why a provider cannot be used here, and the remedy; undefined if it works. Tested once a process. */
export function providerProblem(provider: Provider): Promise<string | undefined> {
  const known = found.get(provider) ?? problems[provider]();
  found.set(provider, known);
  return known;
}

const problems: { readonly [P in Provider]: () => Promise<string | undefined> } = {
  cpu: () => tryProvider("cpu", runtimePath()),
  cuda: cudaProblem,
  webgpu: webgpuProblem,
};

async function cudaProblem(): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64")
    return `onnxruntime-node has CUDA for linux x64 only, and this is ${process.platform} ${process.arch}`;
  const missing = (await cudaLibraries()).filter(({ path }) => path === undefined).map(({ name }) => name);
  const own = missing.filter((name) => name.startsWith("libonnxruntime"));
  if (own.length > 0)
    return `onnxruntime's CUDA provider is not installed (no ${own.join(", ")}). ${cudaInstructions()}`;
  const problem = await tryProvider("cuda", runtimePath());
  if (problem === undefined) return undefined;
  return `${problem}. ${missing.length > 0 ? `Not found: ${missing.join(", ")}. ` : ""}${cudaInstructions()}`;
}

const cudaInstructions = () =>
  `Install it with ${cudaInstallation()}; it needs an NVIDIA driver and the CUDA ` +
  "libraries that it was built for. Check with: npx rise-ts doctor";

async function webgpuProblem(): Promise<string | undefined> {
  const problem = await tryProvider("webgpu", runtimePath());
  if (problem === undefined) return undefined;
  return `${problem}. It needs a GPU and its driver for Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS). Check with: npx rise-ts doctor`;
}

/** Multiplies two matrices in a separate process, so that a library that aborts cannot end this one. */
export async function tryProvider(provider: Provider, runtime: string): Promise<string | undefined> {
  const g = createGraph();
  const x = g.input("x", "float32", [2, 2]);
  const model = Buffer.from(serialiseModel(g, { y: matMul(g, x, x) })).toString("base64");
  const arguments_ = ["-e", trial, runtime, provider, model];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, { timeout: trialTimeoutMs });
    return stdout.trim().endsWith("7,10,15,22") ? undefined : `${provider} computed ${stdout.trim()} for 7,10,15,22`;
  } catch (cause) {
    const { stderr, signal, killed } = cause as { stderr?: string; signal?: string; killed?: boolean };
    if (killed) return `${provider} did not multiply two matrices within ${trialTimeoutMs / 1000} s`;
    if (signal) return `${provider} ended the process that tried it with ${signal}`;
    return `onnxruntime cannot use ${provider}: ${lastLine(stderr || String(cause))}`;
  }
}

const trialTimeoutMs = 60_000;

const trial = `
const [runtime, provider, model] = process.argv.slice(1);
const { InferenceSession, Tensor } = require(runtime);
const options = { executionProviders: [provider], logSeverityLevel: 4 };
InferenceSession.create(Buffer.from(model, "base64"), options)
  .then((session) => session.run({ x: new Tensor("float32", [1, 2, 3, 4], [2, 2]) }))
  .then(({ y }) => console.log(y.data.join()))
  .catch((error) => { console.error(error.message.trim().replaceAll("\\n", " ")); process.exitCode = 1; });
`;

const lastLine = (text: string) => text.trim().split("\n").at(-1)!;

let warned = false;

function warnOnce(message: string): void {
  if (!warned) process.emitWarning(message, { code: "RISE_DEVICE" });
  warned = true;
}
