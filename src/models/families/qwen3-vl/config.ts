import * as z from "zod";
import type { ConfigFiles } from "../../files/config-files";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, readQwen2Config } from "../qwen2/config";

/** The network's settings of a checkpoint. */
export interface Qwen3VlConfig extends DecoderConfig {
  readonly vision: DecoderConfig["vision"] & {
    readonly depth: number;
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    readonly heads: number;
    /** Rows of the table of learned positions, a square grid and perhaps some more that nothing reads. */
    readonly positions: number;
    /** Blocks whose output becomes features of its own; merger k of the list belongs to block deepstack[k]. */
    readonly deepstack: readonly number[];
  };
}

/** Qwen3VLVisionConfig. */
const visionSchema = z.object({
  depth: orDefault(count(limits.layers), 27),
  hidden_size: orDefault(count(limits.width), 1152),
  intermediate_size: orDefault(count(limits.width), 4304),
  num_heads: orDefault(count(limits.heads), 16),
  patch_size: orDefault(count(limits.patch), 16),
  temporal_patch_size: orDefault(count(limits.patch), 2),
  spatial_merge_size: orDefault(count(limits.patch), 2),
  in_channels: orDefault(z.literal(3), 3),
  out_hidden_size: orDefault(count(limits.width), 3584),
  num_position_embeddings: orDefault(count(limits.width), 2304),
  deepstack_visual_indexes: orDefault(z.array(z.int()).max(limits.layers), [8, 16, 24]),
  hidden_act: orDefault(z.literal("gelu_pytorch_tanh"), "gelu_pytorch_tanh"),
  rope_parameters: z.object({ rope_type: z.literal("axial"), rope_theta: z.literal(10_000) }).nullish(),
});

export const kind: Qwen2Kind<z.infer<typeof visionSchema>> = {
  modelType: "qwen3_vl",
  architecture: "Qwen3VLForConditionalGeneration",
  /** Qwen3VLTextConfig. */
  text: {
    vocabSize: 151_936,
    hiddenSize: 4096,
    intermediateSize: 22_016,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    rmsNormEps: 1e-6,
    ropeTheta: 500_000,
    contextLength: 128_000,
    mropeSection: [24, 20, 20],
    fixed: { attention_bias: false },
    fixedRope: { mrope_interleaved: true },
  },
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
    const { depth, deepstack_visual_indexes: indexes } = vision;
    demand(
      new Set(indexes).size === indexes.length && indexes.every((i) => i >= 0 && i < depth),
      `vision_config.deepstack_visual_indexes: expected different blocks from 0 to ${depth - 1}, got ${JSON.stringify(indexes)}`,
    );
  },
};

/** @throws ConfigError naming each key that this network cannot represent */
export function readConfig(files: ConfigFiles): Qwen3VlConfig {
  const { text, tokens, vision } = readQwen2Config(kind, files);
  return {
    text,
    tokens,
    vision: {
      depth: vision.depth,
      hiddenSize: vision.hidden_size,
      intermediateSize: vision.intermediate_size,
      heads: vision.num_heads,
      positions: vision.num_position_embeddings,
      deepstack: vision.deepstack_visual_indexes,
      patchSize: vision.patch_size,
      temporalPatchSize: vision.temporal_patch_size,
      spatialMergeSize: vision.spatial_merge_size,
      inChannels: vision.in_channels,
    },
  };
}

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export const configJson = (config: Qwen3VlConfig): Record<string, unknown> =>
  qwen2ConfigJson(kind, config, {
    depth: config.vision.depth,
    hidden_size: config.vision.hiddenSize,
    intermediate_size: config.vision.intermediateSize,
    num_heads: config.vision.heads,
    num_position_embeddings: config.vision.positions,
    deepstack_visual_indexes: config.vision.deepstack,
    patch_size: config.vision.patchSize,
    temporal_patch_size: config.vision.temporalPatchSize,
    spatial_merge_size: config.vision.spatialMergeSize,
    in_channels: config.vision.inChannels,
    out_hidden_size: config.text.hiddenSize,
    hidden_act: "gelu_pytorch_tanh",
  });
