import * as z from "zod";
import type { ConfigFiles } from "../../files/config-files";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, readQwen2Config } from "../qwen2/config";
import { checkWidths, storedVision, visionFields, visionShape } from "../qwen2/vision";

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
  ...visionFields({ depth: 27, patchSize: 16, activation: "gelu_pytorch_tanh" }),
  hidden_size: orDefault(count(limits.width), 1152),
  intermediate_size: orDefault(count(limits.width), 4304),
  out_hidden_size: orDefault(count(limits.width), 3584),
  num_position_embeddings: orDefault(count(limits.width), 2304),
  deepstack_visual_indexes: orDefault(z.array(z.int()).max(limits.layers), [8, 16, 24]),
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
    checkWidths(vision, { width: "hidden_size", output: "out_hidden_size" }, hiddenSize, demand);
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
      ...visionShape(vision),
      hiddenSize: vision.hidden_size,
      intermediateSize: vision.intermediate_size,
      positions: vision.num_position_embeddings,
      deepstack: vision.deepstack_visual_indexes,
    },
  };
}

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export const configJson = (config: Qwen3VlConfig): Record<string, unknown> =>
  qwen2ConfigJson(kind, config, {
    ...storedVision(config.vision),
    hidden_size: config.vision.hiddenSize,
    intermediate_size: config.vision.intermediateSize,
    num_position_embeddings: config.vision.positions,
    deepstack_visual_indexes: config.vision.deepstack,
    out_hidden_size: config.text.hiddenSize,
    hidden_act: "gelu_pytorch_tanh",
  });
