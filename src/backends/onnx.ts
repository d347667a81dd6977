import type { OnDownload } from "../models/hub/progress";
import { checkPositiveIntegers } from "../models/qwen2-vl/limits";
import { defaultModel, openQwen2Vl } from "../models/qwen2-vl/model";
import { createSampler } from "../models/qwen2-vl/sampler";
import { type Device, placeOn } from "../onnx/device";
import type { VlmBackend } from "./backend";

export interface OnnxBackendOptions {
  /** A Qwen2-VL checkpoint: a Hugging Face directory, or a hub id, "owner/name" or "owner/name@revision" (`defaultModel`). */
  readonly model?: string;
  /** Completions generated side by side (64): fewer take less memory, more are faster. */
  readonly rowsAtOnce?: number;
  /** Told of every piece of a download (a display on stderr). */
  readonly onDownload?: OnDownload;
  /** What to run on ("auto": CUDA where it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator; all cores by default. */
  readonly threads?: number;
}

/**
 * Runs a Qwen2-VL checkpoint in this process, its weights straight from the safetensors files.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected; BackendError for a device that
 * does not work, or a hub that cannot be reached
 */
export async function onnxBackend({
  model: name = defaultModel,
  onDownload,
  rowsAtOnce = 64,
  device = "auto",
  threads,
}: OnnxBackendOptions = {}): Promise<VlmBackend> {
  checkPositiveIntegers("onnxBackend", { rowsAtOnce, threads });
  const placement = await placeOn(device, threads);
  const model = await openQwen2Vl(name, onDownload);
  const policy = { config: model.config, checkpoint: model.checkpoint, trainable: new Map() };
  return createSampler(model, policy, { rowsAtOnce, ...placement });
}
