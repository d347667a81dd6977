import type { VlmBackend } from "../backend";
import { baseOf, findAdapter, readAdapter, requireAdapter } from "../engine/checkpoint/open-adapter";
import { roundedFor } from "../engine/checkpoint/quantized";
import { checkPrecision, inHalf } from "../engine/precision";
import { createSampler } from "../engine/sampling/sampler";
import { adaptedPolicy } from "../engine/training/trainable";
import type { Precision } from "../models/checkpoint/quantize";
import { defaultModel, type LoadOptions, loadSpec, modelOption, openModel } from "../models/open-model";
import { type Device, devices, placeOn } from "../onnx/runtime/device";
import { choice, count, readOptions, specOf, text } from "../options/spec";

export type { Precision } from "../models/checkpoint/quantize";
export type { Device } from "../onnx/runtime/device";
export type { Provider } from "../onnx/runtime/providers";

/** Options of `onnxBackend`. */
export interface OnnxBackendOptions extends LoadOptions {
  /**
   * A Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint: a Hugging Face directory, or a hub id, "owner/name" or
   * "owner/name@revision" (the adapter's model, or `defaultModel`). It may also be a run directory, which stands for
   * its best checkpoint, or the newest if nothing was held out.
   */
  readonly model?: string;
  /** A LoRA adapter on the model: a folder that `trainer.save` or PEFT wrote, or a run directory (none). */
  readonly adapter?: string;
  /** Completions generated side by side (64): fewer take less memory, more are faster. */
  readonly rowsAtOnce?: number;
  /**
   * Precision of products with the language model's matrices ("float32"). Fewer bits are faster and take less memory,
   * but change completions and log-probs. "half" needs a checkpoint in bfloat16 or float16, and a GPU; "int8" and
   * "int4" need the CPU, and store quantized matrices once, in Hugging Face's assets cache.
   */
  readonly precision?: Precision;
  /** The device to run on ("auto": CUDA if it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator (all cores). */
  readonly threads?: number;
}

export const onnxBackendSpec = specOf<OnnxBackendOptions>()(() => ({
  model: modelOption()
    .optional()
    .describe("A checkpoint, a hub id, or a run directory; without it, the adapter's model, or the default one"),
  adapter: text().optional().describe("A LoRA adapter on the model: a folder, or a run directory"),
  rowsAtOnce: count().default(64).describe("Completions generated side by side"),
  precision: choice(["float32", "half", "int8", "int4"])
    .default("float32")
    .describe("Precision of products with the language model's matrices"),
  ...loadSpec(),
  device: choice(devices).default("auto").describe("The device to run on: CUDA where it works, else the CPU"),
  threads: count().optional().describe("Threads of one operator; all cores without it"),
}));

/**
 * Runs a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint in this process, its weights straight from the safetensors files.
 * @throws ConfigError or DataError for an unusable checkpoint, naming the file and what was expected; BackendError for
 * a device that does not work, or a hub that cannot be reached
 * @example
 * const backend = await onnxBackend({ model: "Qwen/Qwen2-VL-2B-Instruct", precision: "int8" });
 * const trained = await onnxBackend({ adapter: "runs/r1" });
 */
export async function onnxBackend(options: OnnxBackendOptions = {}): Promise<VlmBackend> {
  const settings = readOptions("onnxBackend", options, onnxBackendSpec);
  const { onDownload, rowsAtOnce, precision, device, maxImagePixels, threads } = settings;
  const placement = await placeOn(device, threads);
  checkPrecision("precision", precision, placement);
  const { name, found } = await sourceOf(settings);
  const model = await openModel(name, onDownload, maxImagePixels);
  const { architecture, checkpoint } = model;
  const rounded = await roundedFor(model, precision);
  const policy = found
    ? await adaptedPolicy(model, await readAdapter(found, model), precision)
    : { architecture, checkpoint, trainable: new Map(), halfProducts: inHalf(checkpoint, precision) };
  return createSampler(model, policy, { rowsAtOnce, rounded, ...placement });
}

/** The model to open, and the adapter on it. A model that is an adapter stands for the model that it names. */
async function sourceOf({
  model,
  adapter,
}: {
  readonly model?: string | undefined;
  readonly adapter?: string | undefined;
}) {
  const found = adapter === undefined ? undefined : await requireAdapter(adapter);
  if (model === undefined) return { name: found ? baseOf(found) : defaultModel, found };
  const own = found ? undefined : await findAdapter(model);
  return own ? { name: baseOf(own), found: own } : { name: model, found };
}
