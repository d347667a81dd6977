import * as z from "zod";
import { type ConfigFiles, readConfigFiles } from "../../files/config-files";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, qwen2Text, readQwen2Config } from "../qwen2/config";

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
  depth: orDefault(count(limits.layers), 32),
  embed_dim: orDefault(count(limits.width), 1280),
  num_heads: orDefault(count(limits.heads), 16),
  mlp_ratio: orDefault(z.number().positive().max(limits.patch), 4),
  patch_size: orDefault(count(limits.patch), 14),
  temporal_patch_size: orDefault(count(limits.patch), 2),
  spatial_merge_size: orDefault(count(limits.patch), 2),
  in_channels: orDefault(z.literal(3), 3),
  /** Qwen's own files have this key, and transformers copies it; its class has `in_channels`. */
  in_chans: z.literal(3).nullish(),
  hidden_size: orDefault(count(limits.width), 3584),
  hidden_act: orDefault(z.literal("quick_gelu"), "quick_gelu"),
  rope_parameters: z.object({ rope_type: z.literal("axial"), rope_theta: z.literal(10_000) }).nullish(),
});

export const kind: Qwen2Kind<z.infer<typeof visionSchema>> = {
  modelType: "qwen2_vl",
  architecture: "Qwen2VLForConditionalGeneration",
  text: qwen2Text,
  visionSchema,
  checkVision(vision, hiddenSize, demand) {
    demand(
      vision.hidden_size === hiddenSize,
      `vision_config.hidden_size: expected the language model's ${hiddenSize}, got ${vision.hidden_size}`,
    );
    demand(
      (vision.embed_dim / vision.num_heads) % 4 === 0,
      `vision_config: expected embed_dim ${vision.embed_dim} to be a multiple of 4 · num_heads, got num_heads ${vision.num_heads}`,
    );
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
      depth: vision.depth,
      embedDim: vision.embed_dim,
      heads: vision.num_heads,
      mlpRatio: vision.mlp_ratio,
      patchSize: vision.patch_size,
      temporalPatchSize: vision.temporal_patch_size,
      spatialMergeSize: vision.spatial_merge_size,
      inChannels: vision.in_channels,
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
    depth: config.vision.depth,
    embed_dim: config.vision.embedDim,
    num_heads: config.vision.heads,
    mlp_ratio: config.vision.mlpRatio,
    patch_size: config.vision.patchSize,
    temporal_patch_size: config.vision.temporalPatchSize,
    spatial_merge_size: config.vision.spatialMergeSize,
    in_channels: config.vision.inChannels,
    hidden_size: config.text.hiddenSize,
    hidden_act: "quick_gelu",
  });
