import { initialise } from "../checkpoint/initialise";
import { loadConfig, type Qwen2VlConfig } from "../families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../families/qwen2-vl/family";
import type { StoredDtype } from "../files/safetensors";
import type { OnDownload } from "../hub/progress";
import { openModel, type VisionLanguageModel } from "../open-model";

/** An opened Qwen2-VL checkpoint: everything about a model except the state of its training. */
export type Qwen2Vl = Omit<VisionLanguageModel, "config"> & { readonly config: Qwen2VlConfig };

/**
 * Opens a Qwen2-VL checkpoint: a Hugging Face directory, or a hub id, which is downloaded if the cache lacks it.
 * @throws ConfigError or DataError naming the file and what is wrong with it; BackendError for a hub that cannot be
 * reached or refuses
 * @example
 * const { config } = await openQwen2Vl("Qwen/Qwen2-VL-2B-Instruct");
 * console.log(config.vision.patchSize); // 14
 */
export async function openQwen2Vl(name: string, onDownload?: OnDownload, maxImagePixels?: number): Promise<Qwen2Vl> {
  const model = await openModel(name, onDownload, maxImagePixels);
  return { ...model, config: await loadConfig(model.dir) };
}

/**
 * Writes config.json and model.safetensors of a fresh Qwen2-VL model: normal weights, zero biases, unit norms. As in
 * GPT-2, the deviation of projections into the residual stream is divided by √(2 · layers), so that activations do not
 * grow with depth.
 * @example
 * const config = await loadConfig("Qwen2-VL-2B-Instruct");
 * await initialiseCheckpoint("fresh", { ...config, text: { ...config.text, layers: 2 } }, { seed: 0 });
 */
export const initialiseCheckpoint = (
  dir: string,
  config: Qwen2VlConfig,
  options: { readonly seed: number; readonly dtype?: StoredDtype },
): Promise<void> => initialise(dir, qwen2VlArchitecture(config), options);
