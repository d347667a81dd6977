import * as z from "zod";
import type { ConfigFiles } from "../../files/config-files";
import { count, limits } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, readQwen2Config } from "../qwen2/config";
import { field, type ValuesOf } from "../qwen2/fields";
import { visionFields } from "../qwen2/vision";

/** Qwen3VLVisionConfig. */
const towerFields = {
  ...visionFields({ depth: 27, patchSize: 16 }),
  hiddenSize: field("hidden_size", count(limits.width), 1152),
  intermediateSize: field("intermediate_size", count(limits.width), 4304),
  /** Rows of the table of learned positions, a square grid and perhaps some more that nothing reads. */
  positions: field("num_position_embeddings", count(limits.width), 2304),
  /** Blocks whose output becomes features of its own; merger k of the list belongs to block deepstack[k]. */
  deepstack: field<readonly number[]>("deepstack_visual_indexes", z.array(z.int()).max(limits.layers), [8, 16, 24]),
};

/** The network's settings of a checkpoint. */
export type Qwen3VlConfig = DecoderConfig & { readonly vision: ValuesOf<typeof towerFields> };

export const kind: Qwen2Kind<typeof towerFields> = {
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
  vision: {
    fields: towerFields,
    width: "hiddenSize",
    output: "out_hidden_size",
    activation: "gelu_pytorch_tanh",
    check: ({ depth, deepstack }, demand) =>
      demand(
        new Set(deepstack).size === deepstack.length && deepstack.every((i) => i >= 0 && i < depth),
        `vision_config.deepstack_visual_indexes: expected different blocks from 0 to ${depth - 1}, got ${JSON.stringify(deepstack)}`,
      ),
  },
};

/** @throws ConfigError naming each key that this network cannot represent */
export const readConfig = (files: ConfigFiles): Qwen3VlConfig => readQwen2Config(kind, files);

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export const configJson = (config: Qwen3VlConfig): Record<string, unknown> => qwen2ConfigJson(kind, config);
