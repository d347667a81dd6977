import { type Graph, gather, mul, reshape } from "../../onnx/graph/graph";
import type { Dim, Value } from "../../onnx/graph/value";
import type { Architecture } from "./architecture";
import type { Attention, Projected } from "./attention";
import type { VlmConfig } from "./config";
import { linear, rmsNorm, type Weights } from "./layers";
import { names } from "./names";
import { mropeTables, ropePositions, textFrequencies } from "./positions";

/** The text model of all families: a Qwen2 or Qwen3 decoder with multimodal rotary positions. */
export interface DecoderConfig {
  readonly text: VlmConfig["text"] & {
    readonly intermediateSize: number;
    readonly rmsNormEps: number;
    readonly ropeTheta: number;
    /** Rotary frequencies of time, height and width; they sum to headDim / 2. */
    readonly mropeSection: readonly [time: number, height: number, width: number];
  };
  readonly vision: VlmConfig["vision"];
  readonly tokens: VlmConfig["tokens"];
}

/** Differences between the families' decoders. */
export interface DecoderKind {
  /** Whether the projections to queries, keys and values have biases. */
  readonly attentionBias: boolean;
  /** Whether each head of queries and keys is normalized before rotation. */
  readonly queryKeyNorms: boolean;
  /**
   * Whether the frequencies of time, height and width alternate (t h w t h w … t t), instead of lying in three blocks.
   */
  readonly interleavedSections: boolean;
}

type Decoder = Pick<
  Architecture,
  "layer" | "finalNorm" | "positions" | "rotary" | "rotaryAngles" | "embeddings" | "head"
>;

/** The part of an architecture that is its text model. */
export function decoder(config: DecoderConfig, kind: DecoderKind): Decoder {
  const { text, tokens, vision } = config;
  const axes = frequencyAxes(text.mropeSection, kind.interleavedSections);
  return {
    embeddings: names.embeddings,
    head: text.tieWordEmbeddings ? names.embeddings : names.untiedHead,
    layer: (g, weights, i, x, attention, read) => decoderLayer(g, weights, config, kind, i, x, attention, read),
    finalNorm: (g, weights, x) => rmsNorm(g, weights, "model.norm", x, text.rmsNormEps),
    positions: (row, grids, promptLength) =>
      ropePositions(row, grids, { imageToken: tokens.image, mergeSize: vision.spatialMergeSize }, promptLength),
    rotary: (positions) => mropeTables(positions, text.headDim, text.ropeTheta, axes),
    rotaryAngles: textFrequencies(text.headDim, text.ropeTheta).map((frequency, k) => ({ axis: axes[k]!, frequency })),
  };
}

/** The axis (0 time, 1 height, 2 width) of each rotary frequency. */
export function frequencyAxes(sections: readonly [number, number, number], interleaved: boolean): readonly number[] {
  if (!interleaved) return sections.flatMap((size, axis) => Array<number>(size).fill(axis));
  const half = sections[0] + sections[1] + sections[2];
  // Among each three frequencies, the second is height's and the third width's, until their sections are used up. Time
  // has the rest.
  return Array.from({ length: half }, (_, k) => (k % 3 !== 0 && k < 3 * sections[k % 3]! ? k % 3 : 0));
}

function decoderLayer(
  g: Graph,
  weights: Weights,
  { text }: DecoderConfig,
  { attentionBias: bias, queryKeyNorms }: DecoderKind,
  i: number,
  x: Value,
  attention: Attention,
  read?: Value,
): ReturnType<Architecture["layer"]> {
  const layer = `model.layers.${i}`;
  const queries = text.heads * text.headDim;
  const keys = text.kvHeads * text.headDim;
  const h = rmsNorm(g, weights, `${layer}.input_layernorm`, x, text.rmsNormEps);
  const project = (name: string, outputs: number) =>
    linear(g, weights, `${layer}.self_attn.${name}`, h, outputs, { bias });
  const projected: Projected = {
    k: project("k_proj", keys),
    v: project("v_proj", keys),
    q: project("q_proj", queries),
  };
  const normed = (name: string, heads: Value) =>
    queryKeyNorms ? headNorm(g, weights, `${layer}.self_attn.${name}`, heads, text) : heads;
  const { attended, ...keyValues } = attention(i, {
    k: normed("k_norm", projected.k),
    v: projected.v,
    q: normed("q_norm", projected.q),
  });
  const pick = (all: Value) => (read ? gather(g, all, read) : all);
  const hidden = linear(g, weights, `${layer}.self_attn.o_proj`, pick(attended), text.hiddenSize, {
    residual: pick(x),
  });

  const m = rmsNorm(g, weights, `${layer}.post_attention_layernorm`, hidden, text.rmsNormEps);
  return { ...keyValues, output: gatedMlp(g, weights, `${layer}.mlp`, m, text.intermediateSize, { residual: hidden }) };
}

/** RMSNorm of each head of x [n, heads · headDim]. */
function headNorm(g: Graph, weights: Weights, name: string, x: Value, text: DecoderConfig["text"]): Value {
  const [n, width] = x.shape as readonly Dim[] as [Dim, number];
  const shape = typeof n === "number" ? [(n * width) / text.headDim] : [n, width / text.headDim];
  const heads = reshape(g, x, [...shape, text.headDim]);
  return reshape(g, rmsNorm(g, weights, name, heads, text.rmsNormEps), [n, width]);
}

/** down(silu(gate(x)) · up(x)) + residual. */
export function gatedMlp(
  g: Graph,
  weights: Weights,
  name: string,
  x: Value,
  intermediateSize: number,
  { residual, bias = false }: { readonly residual: Value; readonly bias?: boolean },
): Value {
  const gate = linear(g, weights, `${name}.gate_proj`, x, intermediateSize, { bias });
  const up = linear(g, weights, `${name}.up_proj`, x, intermediateSize, { bias });
  const gated = mul(g, g.op("QuickGelu", [gate], { alpha: 1 }), up);
  return linear(g, weights, `${name}.down_proj`, gated, residual.shape[1] as number, { bias, residual });
}
