import type { Segment } from "../../../onnx/autodiff/checkpointing";
import { add, concat, type Graph, gather, matMul, mul, reshape, scalar, swapLast } from "../../../onnx/graph/graph";
import type { Value } from "../../../onnx/graph/value";
import { type Attention, fromHeads, type KeyValues, type RotaryTables, toHeads } from "./attention";
import type { Qwen2VlConfig } from "./config";
import { headOf } from "./config";

/** Where the network takes its weights from. Names are the checkpoint's. */
export interface Weights {
  /** A float32 tensor of the shape that the checkpoint gives it. */
  tensor(name: string): Value;
  /** Rows of a float32 matrix, as nodes of `g`: the indices may belong to a Loop's body. */
  rows(g: Graph, name: string, indices: Value): Value;
  /** x·Wᵀ (+ c) with a linear layer's matrix W [out, in], as nodes of `g`: x [n, in] → [n, out]; c [out] or [n, out]. */
  product(g: Graph, module: string, x: Value, c?: Value): Value;
  /** LoRA's addition to a linear layer, if it has one: A [rank, in], B [out, rank]. */
  adapter?(module: string): { readonly a: Value; readonly b: Value; readonly scale: number } | undefined;
}

const layerNormEpsilon = 1e-6;

/**
 * Vision tower and merger for `images` pictures of one grid: patches [images · patches, channels · 2 · 14²] → features
 * [images · patches / 4, hidden]. Attention is full within a picture.
 */
export function visionTower(
  g: Graph,
  weights: Weights,
  { vision }: Qwen2VlConfig,
  patches: Value,
  { cos, sin }: RotaryTables,
): Value {
  const [images, perImage] = [cos.shape[0] as number, cos.shape[1] as number];
  const { embedDim, heads } = vision;
  const headDim = embedDim / heads;
  const kernel = weights.tensor("visual.patch_embed.proj.weight");
  let x = g.op("Gemm", [patches, reshape(g, kernel, [embedDim, patches.shape[1] as number])], { transB: true });

  for (let i = 0; i < vision.depth; i++) {
    const block = `visual.blocks.${i}`;
    const qkv = linear(g, weights, `${block}.attn.qkv`, layerNorm(g, weights, `${block}.norm1`, x), { bias: true });
    const part = (k: number) =>
      toHeads(
        g,
        g.op("Slice", [qkv], { axis: 1, start: k * embedDim, end: (k + 1) * embedDim }),
        images,
        perImage,
        heads,
      );
    const rotate = (h: Value) => g.op("RotaryEmbedding", [h, cos, sin], {});
    const q = mul(g, rotate(part(0)), scalar(g, headDim ** -0.5));
    const scores = g.op("Softmax", [matMul(g, q, swapLast(g, rotate(part(1))))], {});
    const attended = fromHeads(g, matMul(g, scores, part(2)));
    x = linear(g, weights, `${block}.attn.proj`, attended, { bias: true, residual: x });
    const wide = linear(g, weights, `${block}.mlp.fc1`, layerNorm(g, weights, `${block}.norm2`, x), { bias: true });
    const activated = g.op("QuickGelu", [wide], { alpha: 1.702 });
    x = linear(g, weights, `${block}.mlp.fc2`, activated, { bias: true, residual: x });
  }

  const merged = vision.spatialMergeSize ** 2;
  x = reshape(g, layerNorm(g, weights, "visual.merger.ln_q", x), [(images * perImage) / merged, embedDim * merged]);
  const wide = g.op("Gelu", [linear(g, weights, "visual.merger.mlp.0", x, { bias: true })], {});
  return linear(g, weights, "visual.merger.mlp.2", wide, { bias: true });
}

/**
 * Input of the language model, [n, hidden]: token embeddings, with image features in the image tokens' places.
 * @param source [n] int64: row i of the result is row source[i] of (embeddings ++ features)
 */
export function embedInputs(
  g: Graph,
  weights: Weights,
  tokenIds: Value,
  image?: { features: Value; source: Value },
): Value {
  const embeddings = weights.rows(g, "model.embed_tokens.weight", tokenIds);
  return image ? gather(g, concat(g, [embeddings, image.features], 0), image.source) : embeddings;
}

/**
 * The language model's layers: x [n, hidden] → the same, before the last norm.
 * @param read [m] int64: the places that are asked for, [m, hidden] then; what the last layer does after its attention is done for them alone
 * @returns also each layer's keys and values, and the layers one by one, as parts that can be computed again
 */
export function languageModel(
  g: Graph,
  weights: Weights,
  config: Qwen2VlConfig,
  x: Value,
  attention: Attention,
  read?: Value,
): { hidden: Value; cache: KeyValues[]; layers: Segment[] } {
  const { layers: depth } = config.text;
  const cache: KeyValues[] = [];
  const layers: Segment[] = [];
  let hidden = x;
  for (let i = 0; i < depth; i++) {
    const wanted = i === depth - 1 ? read : undefined;
    const compute = (input: Value) => decoderLayer(g, weights, config, i, input, attention, wanted);
    const { output, ...keyValues } = compute(hidden);
    cache.push(keyValues);
    layers.push({ input: hidden, output, again: (input) => compute(input).output });
    hidden = output;
  }
  return { hidden, cache, layers };
}

function decoderLayer(
  g: Graph,
  weights: Weights,
  { text }: Qwen2VlConfig,
  i: number,
  x: Value,
  attention: Attention,
  wanted?: Value,
): KeyValues & { readonly output: Value } {
  const layer = `model.layers.${i}`;
  const h = rmsNorm(g, weights, `${layer}.input_layernorm`, x, text.rmsNormEps);
  const project = (name: string) => linear(g, weights, `${layer}.self_attn.${name}`, h, { bias: true });
  const projected = { k: project("k_proj"), v: project("v_proj"), q: project("q_proj") };
  const { attended, ...keyValues } = attention(i, projected);
  const pick = (all: Value) => (wanted ? gather(g, all, wanted) : all);
  const hidden = linear(g, weights, `${layer}.self_attn.o_proj`, pick(attended), { residual: pick(x) });

  const m = rmsNorm(g, weights, `${layer}.post_attention_layernorm`, hidden, text.rmsNormEps);
  const gate = linear(g, weights, `${layer}.mlp.gate_proj`, m);
  const up = linear(g, weights, `${layer}.mlp.up_proj`, m);
  const gated = mul(g, g.op("QuickGelu", [gate], { alpha: 1 }), up);
  return { ...keyValues, output: linear(g, weights, `${layer}.mlp.down_proj`, gated, { residual: hidden }) };
}

/** Logits [n, vocabulary], divided by a temperature, of hidden states [n, hidden]: compute them only for rows that need them. */
export function languageHead(g: Graph, weights: Weights, config: Qwen2VlConfig, hidden: Value, temperature = 1): Value {
  const normed = rmsNorm(g, weights, "model.norm", hidden, config.text.rmsNormEps);
  // Divided here, where it is a vector for each token and not a vocabulary.
  const x = temperature === 1 ? normed : g.op("Div", [normed, scalar(g, temperature)], {});
  return linear(g, weights, headOf(config), x);
}

/**
 * x·Wᵀ (+ b) (+ residual) (+ LoRA: scale · (x·Aᵀ)·Bᵀ), x [n, in], W [out, in]. Sums are part of a product as far as they can be: one pass less
 * over memory, one operator less.
 */
function linear(
  g: Graph,
  weights: Weights,
  name: string,
  x: Value,
  { bias = false, residual }: { readonly bias?: boolean; readonly residual?: Value } = {},
): Value {
  let y = weights.product(g, name, x, bias ? weights.tensor(`${name}.bias`) : residual);
  if (bias && residual) y = add(g, residual, y);
  const adapter = weights.adapter?.(name);
  if (!adapter) return y;
  const low = g.op("Gemm", [x, adapter.a], { transB: true });
  return g.op("Gemm", [low, adapter.b, y], { transB: true, alpha: adapter.scale });
}

const layerNorm = (g: Graph, weights: Weights, name: string, x: Value) =>
  g.op("LayerNormalization", [x, weights.tensor(`${name}.weight`), weights.tensor(`${name}.bias`)], {
    epsilon: layerNormEpsilon,
  });

const rmsNorm = (g: Graph, weights: Weights, name: string, x: Value, epsilon: number) =>
  g.op("RMSNormalization", [x, weights.tensor(`${name}.weight`)], { epsilon });
