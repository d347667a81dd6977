import * as z from "zod";
import { type ConfigFiles, readConfigFiles } from "../../files/config-files";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, qwen2Text, readQwen2Config } from "../qwen2/config";
import { checkWidths, storedVision, visionFields, visionShape } from "../qwen2/vision";

/** The parts of a checkpoint's configuration that the network needs, from either file layout. */
export interface Qwen2VlConfig extends DecoderConfig {
  readonly vision: DecoderConfig["vision"] & {
    readonly depth: number;
    readonly embedDim: number;
    readonly heads: number;
    readonly mlpRatio: number;
  };
}

/** Qwen2VLVisionConfig. */
const visionSchema = z.object({
  ...visionFields({ depth: 32, patchSize: 14, activation: "quick_gelu" }),
  embed_dim: orDefault(count(limits.width), 1280),
  mlp_ratio: orDefault(z.number().positive().max(limits.patch), 4),
  hidden_size: orDefault(count(limits.width), 3584),
});

export const kind: Qwen2Kind<z.infer<typeof visionSchema>> = {
  modelType: "qwen2_vl",
  architecture: "Qwen2VLForConditionalGeneration",
  text: qwen2Text,
  visionSchema,
  checkVision(vision, hiddenSize, demand) {
    checkWidths(vision, { width: "embed_dim", output: "hidden_size" }, hiddenSize, demand);
    demand(
      Number.isInteger(vision.embed_dim * vision.mlp_ratio),
      `vision_config.mlp_ratio: expected a whole number of hidden units, got ${vision.mlp_ratio} · ${vision.embed_dim}`,
    );
  },
};

/**
 * Reads `config.json` (and `generation_config.json`, if there) of a Qwen2-VL checkpoint, in the flat layout or with
 * `text_config`.
 * @throws DataError if the file cannot be read; ConfigError naming each key that this network cannot represent
 * @example
 * const { text, vision } = await loadConfig("Qwen2-VL-2B-Instruct");
 * console.log(text.layers, vision.depth); // 28 32
 */
export async function loadConfig(dir: string): Promise<Qwen2VlConfig> {
  return readConfig(await readConfigFiles(dir));
}

/** @throws ConfigError naming each key that this network cannot represent */
export function readConfig(files: ConfigFiles): Qwen2VlConfig {
  const { text, tokens, vision } = readQwen2Config(kind, files);
  return {
    text,
    tokens,
    vision: {
      ...visionShape(vision),
      embedDim: vision.embed_dim,
      mlpRatio: vision.mlp_ratio,
    },
  };
}

/**
 * `config.json` of a checkpoint with this shape, as transformers reads it.
 * @example
 * await writeFile("config.json", JSON.stringify(configJson(await loadConfig("Qwen2-VL-2B-Instruct"))));
 */
export const configJson = (config: Qwen2VlConfig): Record<string, unknown> =>
  qwen2ConfigJson(kind, config, {
    ...storedVision(config.vision),
    embed_dim: config.vision.embedDim,
    mlp_ratio: config.vision.mlpRatio,
    hidden_size: config.text.hiddenSize,
    hidden_act: "quick_gelu",
  });
