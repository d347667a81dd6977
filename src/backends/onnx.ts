import { checkPositiveIntegers } from "../models/qwen2-vl/limits";
import { defaultModel, openQwen2Vl } from "../models/qwen2-vl/model";
import { createSampler } from "../models/qwen2-vl/sampler";
import { type Device, placeOn } from "../onnx/device";
import type { VlmBackend } from "./backend";

export interface OnnxBackendOptions {
  /** A Hugging Face directory of a Qwen2-VL checkpoint (`defaultModel`). */
  readonly model?: string;
  /** Completions generated side by side (64): fewer take less memory, more are faster. */
  readonly rowsAtOnce?: number;
  /** What to run on ("auto": CUDA where it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator; all cores by default. */
  readonly threads?: number;
}

/**
 * Runs a Qwen2-VL checkpoint in this process, on onnxruntime's CPU provider, its weights straight from the safetensors files.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected
 */
export async function onnxBackend({
  model: dir = defaultModel,
  rowsAtOnce = 64,
  device = "auto",
  threads,
}: OnnxBackendOptions = {}): Promise<VlmBackend> {
  checkPositiveIntegers("onnxBackend", { rowsAtOnce, threads });
  const placement = await placeOn(device, threads);
  const model = await openQwen2Vl(dir);
  const policy = { config: model.config, checkpoint: model.checkpoint, trainable: new Map() };
  return createSampler(model, policy, { rowsAtOnce, ...placement });
}
