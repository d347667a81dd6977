import type { VlmBackend } from "../backend";
import { roundedFor } from "../engine/checkpoint/quantized";
import { checkPrecision, inHalf } from "../engine/precision";
import { createSampler } from "../engine/sampling/sampler";
import type { Precision } from "../models/checkpoint/quantize";
import type { OnDownload } from "../models/hub/progress";
import { defaultModel, openModel } from "../models/open-model";
import { type Device, placeOn } from "../onnx/runtime/device";
import { checkPositiveIntegers } from "../options/limits";
import { checkOptions, type Names } from "../options/options";

export interface OnnxBackendOptions {
  /** A Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint: a Hugging Face directory, or a hub id, "owner/name" or "owner/name@revision" (`defaultModel`). */
  readonly model?: string;
  /** Completions generated side by side (64): fewer take less memory, more are faster. */
  readonly rowsAtOnce?: number;
  /**
   * Of products with the language model's matrices ("float32"): fewer bits are faster and take less memory, and completions and log-probs are those of
   * the model so rounded. "half" is that of a checkpoint in bfloat16 or float16, on a GPU; "int8" and "int4" need the CPU, and matrices are rounded once, into
   * Hugging Face's assets cache.
   */
  readonly precision?: Precision;
  /** Width times height of the largest image that is decoded (2^27, 134 million); a larger one is an error before it takes memory. */
  readonly maxImagePixels?: number;
  /** Told of every piece of a download (a display on stderr). */
  readonly onDownload?: OnDownload;
  /** What to run on ("auto": CUDA where it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator; all cores by default. */
  readonly threads?: number;
}

const names: Names<OnnxBackendOptions> = {
  model: true,
  rowsAtOnce: true,
  precision: true,
  maxImagePixels: true,
  onDownload: true,
  device: true,
  threads: true,
};

/**
 * Runs a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint in this process, its weights straight from the safetensors files.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected; BackendError for a device that
 * does not work, or a hub that cannot be reached
 */
export async function onnxBackend(options: OnnxBackendOptions = {}): Promise<VlmBackend> {
  checkOptions("onnxBackend", options, names);
  const { model: name = defaultModel, onDownload, rowsAtOnce = 64 } = options;
  const { precision = "float32", device = "auto", maxImagePixels, threads } = options;
  checkPositiveIntegers("onnxBackend", { rowsAtOnce, maxImagePixels, threads });
  const placement = await placeOn(device, threads);
  checkPrecision("precision", precision, ["float32", "half", "int8", "int4"], placement);
  const model = await openModel(name, onDownload, maxImagePixels);
  const { architecture, checkpoint } = model;
  const rounded = await roundedFor(model, precision);
  const policy = { architecture, checkpoint, trainable: new Map(), halfProducts: inHalf(checkpoint, precision) };
  return createSampler(model, policy, { rowsAtOnce, rounded, ...placement });
}
