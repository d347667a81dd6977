import type { Graph } from "../../../onnx/graph/graph";
import type { Value } from "../../../onnx/graph/value";
import { type RotaryTables, visionAttention } from "../../parts/attention";
import { embedPatches, layerNorm, linear, type Weights } from "../../parts/layers";
import { mergePatches } from "../qwen2/shared";
import type { Qwen2VlConfig } from "./config";

type Rotary = RotaryTables & { readonly mask?: Value | undefined };

/**
 * Vision tower and merger for images of one grid: patches [images · patches, channels · 2 · 14²] → features [images ·
 * patches / 4, hidden]. Attention is full within an image.
 * @param rotary [images, patches, headDim / 2]; with `mask`, images of any grids may be one sequence of patches
 * @param rotary.mask added to scores, [patches, patches]
 */
export function visionTower(g: Graph, weights: Weights, config: Qwen2VlConfig, patches: Value, rotary: Rotary): Value {
  const { vision } = config;
  let x = embedPatches(g, weights, config, patches, vision.embedDim);
  for (let i = 0; i < vision.depth; i++) x = block(g, weights, config, `visual.blocks.${i}`, x, rotary);
  return mergePatches(g, weights, config, layerNorm(g, weights, "visual.merger.ln_q", x));
}

function block(
  g: Graph,
  weights: Weights,
  { vision }: Qwen2VlConfig,
  name: string,
  x: Value,
  { mask, ...rotary }: Rotary,
): Value {
  const { embedDim, mlpRatio } = vision;
  const normed = layerNorm(g, weights, `${name}.norm1`, x);
  const qkv = linear(g, weights, `${name}.attn.qkv`, normed, 3 * embedDim, { bias: true });
  const attended = visionAttention(g, qkv, vision.heads, rotary, mask);
  const hidden = linear(g, weights, `${name}.attn.proj`, attended, embedDim, { bias: true, residual: x });
  const m = layerNorm(g, weights, `${name}.norm2`, hidden);
  const wide = linear(g, weights, `${name}.mlp.fc1`, m, embedDim * mlpRatio, { bias: true });
  const activated = g.op("QuickGelu", [wide], { alpha: 1.702 });
  return linear(g, weights, `${name}.mlp.fc2`, activated, embedDim, { bias: true, residual: hidden });
}
