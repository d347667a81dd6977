import * as z from "zod";
import type { ConfigFiles } from "../../files/config-files";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, qwen2Text, readQwen2Config } from "../qwen2/config";

/** The network's settings of a checkpoint. */
export interface Qwen25VlConfig extends DecoderConfig {
  readonly vision: DecoderConfig["vision"] & {
    readonly depth: number;
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    readonly heads: number;
    /** Side of an attention window, in pixels. */
    readonly windowSize: number;
    /** Blocks that attend to the whole image. */
    readonly fullAttention: readonly number[];
  };
}

/** Qwen2_5_VLVisionConfig. */
const visionSchema = z.object({
  depth: orDefault(count(limits.layers), 32),
  hidden_size: orDefault(count(limits.width), 3584),
  intermediate_size: orDefault(count(limits.width), 3420),
  num_heads: orDefault(count(limits.heads), 16),
  patch_size: orDefault(count(limits.patch), 14),
  temporal_patch_size: orDefault(count(limits.patch), 2),
  spatial_merge_size: orDefault(count(limits.patch), 2),
  in_channels: orDefault(z.literal(3), 3),
  /** Qwen's own files have it, and transformers copies it; its class has `in_channels`. */
  in_chans: z.literal(3).nullish(),
  window_size: orDefault(count(limits.width), 112),
  out_hidden_size: orDefault(count(limits.width), 3584),
  fullatt_block_indexes: orDefault(z.array(z.int()).max(limits.layers), [7, 15, 23, 31]),
  hidden_act: orDefault(z.literal("silu"), "silu"),
  rope_parameters: z.object({ rope_type: z.literal("axial"), rope_theta: z.literal(10_000) }).nullish(),
});

export const kind: Qwen2Kind<z.infer<typeof visionSchema>> = {
  modelType: "qwen2_5_vl",
  architecture: "Qwen2_5_VLForConditionalGeneration",
  text: qwen2Text,
  visionSchema,
  checkVision(vision, hiddenSize, demand) {
    demand(
      vision.out_hidden_size === hiddenSize,
      `vision_config.out_hidden_size: expected the language model's ${hiddenSize}, got ${vision.out_hidden_size}`,
    );
    demand(
      (vision.hidden_size / vision.num_heads) % 4 === 0,
      `vision_config: expected hidden_size ${vision.hidden_size} to be a multiple of 4 · num_heads, got num_heads ${vision.num_heads}`,
    );
    const token = vision.patch_size * vision.spatial_merge_size;
    demand(
      vision.window_size >= token,
      `vision_config.window_size: expected at least one image token, patch_size · spatial_merge_size = ${token}, got ${vision.window_size}`,
    );
  },
};

/**
 * Configuration of a Qwen2.5-VL checkpoint, in the flat layout or with `text_config`.
 * @throws ConfigError naming each key that this network cannot represent
 */
export function readConfig(files: ConfigFiles): Qwen25VlConfig {
  const { text, tokens, vision } = readQwen2Config(kind, files);
  return {
    text,
    tokens,
    vision: {
      depth: vision.depth,
      hiddenSize: vision.hidden_size,
      intermediateSize: vision.intermediate_size,
      heads: vision.num_heads,
      windowSize: vision.window_size,
      // transformers ignores numbers of blocks that do not exist.
      fullAttention: vision.fullatt_block_indexes.filter((i) => i >= 0 && i < vision.depth),
      patchSize: vision.patch_size,
      temporalPatchSize: vision.temporal_patch_size,
      spatialMergeSize: vision.spatial_merge_size,
      inChannels: vision.in_channels,
    },
  };
}

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export const configJson = (config: Qwen25VlConfig): Record<string, unknown> =>
  qwen2ConfigJson(kind, config, {
    depth: config.vision.depth,
    hidden_size: config.vision.hiddenSize,
    intermediate_size: config.vision.intermediateSize,
    num_heads: config.vision.heads,
    window_size: config.vision.windowSize,
    fullatt_block_indexes: config.vision.fullAttention,
    patch_size: config.vision.patchSize,
    temporal_patch_size: config.vision.temporalPatchSize,
    spatial_merge_size: config.vision.spatialMergeSize,
    in_channels: config.vision.inChannels,
    out_hidden_size: config.text.hiddenSize,
    hidden_act: "silu",
  });
