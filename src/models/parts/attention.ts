import {
  add,
  concat,
  type Graph,
  gather,
  matMul,
  mul,
  reshape,
  scalar,
  swapLast,
  transpose,
} from "../../onnx/graph/graph";
import type { Dim, Value } from "../../onnx/graph/value";
import type { VlmConfig } from "./config";

/** Half rotary tables, [batch, time, headDim / 2]. */
export interface RotaryTables {
  readonly cos: Value;
  readonly sin: Value;
}

/** Keys (rotated) and values, each [batch, kvHeads, span, headDim]. */
export interface KeyValues {
  readonly keys: Value;
  readonly values: Value;
}

/** The projections of a layer's input, before rotation: q [n, heads · d], k and v [n, kvHeads · d]. */
export interface Projected {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** Attention over a batch: attended [n, heads · d], and the keys and values that later tokens can attend to. */
export type Attention = (layer: number, projected: Projected) => KeyValues & { readonly attended: Value };

/** Rows of positions that attend to their own row. */
export interface AttendingRows extends RotaryTables {
  /** Added to scores: [time, span], [batch, 1, 1, time, span], or for a time of 1 [batch, 1, 1, span]. */
  readonly bias: Value;
}

/**
 * Attention in which every position belongs to a row, n = batch · time.
 * @param past each layer's keys and values so far, [batch, kvHeads, past, headDim]; returned with the new ones appended
 */
export const attentionInRows =
  (g: Graph, config: VlmConfig, rows: AttendingRows, past?: readonly KeyValues[]): Attention =>
  (layer, projected) =>
    attend(g, config, rows, projected, past?.[layer]);

/**
 * Attention with shared prefixes. Prefixes come first, then rows that each continue one of them: n = prefixes · their
 * time + batch · time. A prefix is computed once, however many rows begin with it.
 * @param prefixOf [batch] int64
 * Source: Prefix Grouper, arXiv 2506.05433.
 */
export function attentionAfterPrefixes(
  g: Graph,
  config: VlmConfig,
  prefixes: AttendingRows,
  rows: AttendingRows,
  prefixOf: Value,
): Attention {
  const [count, time] = prefixes.cos.shape as readonly number[] as [number, number];
  const places = count * time;
  const part = ({ q, k, v }: Projected, start: number, end: number): Projected => {
    const cut = (x: Value) => g.op("Slice", [x], { axis: 0, start, end });
    return { q: cut(q), k: cut(k), v: cut(v) };
  };
  return (_, projected) => {
    const before = attend(g, config, prefixes, part(projected, 0, places));
    const past = { keys: gather(g, before.keys, prefixOf), values: gather(g, before.values, prefixOf) };
    const all = projected.q.shape[0] as number;
    const after = attend(g, config, rows, part(projected, places, all), past);
    return { ...after, attended: concat(g, [before.attended, after.attended], 0) };
  };
}

function attend(
  g: Graph,
  { text }: VlmConfig,
  { cos, sin, bias }: AttendingRows,
  { q, k, v }: Projected,
  past?: KeyValues,
): ReturnType<Attention> {
  const [batch, time] = cos.shape as readonly number[] as [number, number];
  const heads = (x: Value, count: number) => toHeads(g, x, batch, time, count);
  const rotate = (x: Value) => g.op("RotaryEmbedding", [x, cos, sin], {});
  const append = (before: Value | undefined, now: Value) => (before ? concat(g, [before, now], 2) : now);
  const keys = append(past?.keys, rotate(heads(k, text.kvHeads)));
  const values = append(past?.values, heads(v, text.kvHeads));
  const attended = groupedAttention(g, rotate(heads(q, text.heads)), keys, values, bias);
  return { keys, values, attended: fromHeads(g, attended) };
}

/**
 * softmax(q·kᵀ/√d + bias)·v, where `heads / kvHeads` query heads share a key head: their rows are stacked, so nothing
 * is repeated. q [batch, heads, time, d]; k, v [batch, kvHeads, span, d].
 */
function groupedAttention(g: Graph, q: Value, keys: Value, values: Value, bias: Value): Value {
  const [batch, heads, time, headDim] = q.shape as readonly number[] as [number, number, number, number];
  const kvHeads = keys.shape[1] as number;
  const group = heads / kvHeads;
  const stacked = reshape(g, mul(g, q, scalar(g, headDim ** -0.5)), [batch, kvHeads, group * time, headDim]);
  let scores = matMul(g, stacked, swapLast(g, keys));
  if (time === 1) scores = add(g, scores, bias);
  else {
    const span = keys.shape[2] as number;
    const apart = add(g, reshape(g, scores, [batch, kvHeads, group, time, span]), bias);
    scores = reshape(g, apart, [batch, kvHeads, group * time, span]);
  }
  const attended = matMul(g, g.op("Softmax", [scores], {}), values);
  return reshape(g, attended, [batch, heads, time, headDim]);
}

/**
 * Full attention within each image of a vision tower: softmax(q·kᵀ/√d (+ mask))·v.
 * @param qkv [images · patches, 3 · width]: queries, keys and values
 * @param mask added to scores, [images, 1, patches, patches]
 */
export function visionAttention(g: Graph, qkv: Value, heads: number, { cos, sin }: RotaryTables, mask?: Value): Value {
  const [images, patches] = cos.shape as readonly Dim[] as [number, Dim];
  const width = (qkv.shape[1] as number) / 3;
  const part = (k: number) =>
    toHeads(g, g.op("Slice", [qkv], { axis: 1, start: k * width, end: (k + 1) * width }), images, patches, heads);
  const rotate = (h: Value) => g.op("RotaryEmbedding", [h, cos, sin], {});
  const q = mul(g, rotate(part(0)), scalar(g, (width / heads) ** -0.5));
  const products = matMul(g, q, swapLast(g, rotate(part(1))));
  const scores = g.op("Softmax", [mask ? add(g, products, mask) : products], {});
  return fromHeads(g, matMul(g, scores, part(2)));
}

/** [batch · time, heads · d] → [batch, heads, time, d]. */
export function toHeads(g: Graph, x: Value, batch: number, time: Dim, heads: number): Value {
  const width = (x.shape[1] as number) / heads;
  // A single token needs no transposition.
  if (time === 1) return reshape(g, x, [batch, heads, 1, width]);
  return transpose(g, reshape(g, x, [batch, time, heads, width]), [0, 2, 1, 3]);
}

/** [batch, heads, time, d] → [batch · time, heads · d]; a batch of 1 may have a time known at run time only. */
export function fromHeads(g: Graph, x: Value): Value {
  const [batch, heads, time, width] = x.shape as readonly Dim[] as [number, number, Dim, number];
  if (time === 1) return reshape(g, x, [batch, heads * width]);
  const rows = batch === 1 ? time : batch * (time as number);
  return reshape(g, transpose(g, x, [0, 2, 1, 3]), [rows, heads * width]);
}
