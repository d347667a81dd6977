import { add, concat, type Graph, gather, reshape } from "../../../onnx/graph/graph";
import { dividedBy } from "../../../onnx/graph/shapes";
import type { Value } from "../../../onnx/graph/value";
import { type RotaryTables, visionAttention } from "../../parts/attention";
import { patchWidth } from "../../parts/config";
import { gatedMlp } from "../../parts/decoder";
import { embedPatches, linear, rmsNorm, type Weights } from "../../parts/layers";
import { mergePatches } from "../qwen2/shared";
import type { Qwen25VlConfig } from "./config";

/**
 * Vision tower and merger for images of one grid: patches [images · patches, channels · 2 · 14²] → features [images ·
 * patches / 4, hidden]. Layers attend within windows, except for those with full attention.
 * @param tables those of `visionTables`, [images, …]; or those of `visionTablesOf`, for images of any grids as one
 * sequence
 */
export function visionTower(
  g: Graph,
  weights: Weights,
  config: Qwen25VlConfig,
  patches: Value,
  tables: Readonly<Record<string, Value>>,
): Value {
  const { vision } = config;
  const patchesOfToken = vision.spatialMergeSize ** 2;
  const tokens = dividedBy(patches.shape[0]!, patchesOfToken);
  const width = patchWidth(config);
  const { order, places } = tables;
  const ordered = order ? pick(g, reshape(g, patches, [tokens, patchesOfToken * width]), order) : patches;
  let x = embedPatches(g, weights, config, reshape(g, ordered, [patches.shape[0]!, width]), vision.hiddenSize);

  const attend = attentionOf(g, vision.heads, tables);
  for (let i = 0; i < vision.depth; i++)
    x = layer(
      g,
      weights,
      config,
      `visual.blocks.${i}`,
      x,
      attend[vision.fullAttention.includes(i) ? "whole" : "windows"],
    );

  const features = mergePatches(g, weights, config, rmsNorm(g, weights, "visual.merger.ln_q", x, epsilon));
  return places ? pick(g, features, places) : features;
}

/** The ε of every RMSNorm of the tower. */
const epsilon = 1e-6;

/** Rows of x [images · n, width] by their number in each image, [images, n]. */
function pick(g: Graph, x: Value, rows: Value): Value {
  const [images, n] = rows.shape as readonly number[] as [number, number];
  const first = g.integers(
    Array.from({ length: images }, (_, i) => i * n),
    [images, 1],
  );
  return gather(g, x, reshape(g, add(g, rows, first), [images * n]));
}

/** Attention to the whole image and within windows: windows lie apart in the sequence, or scores are masked. */
function attentionOf(g: Graph, heads: number, tables: Readonly<Record<string, Value>>) {
  const { cos, sin, mask, windowMask } = tables;
  if (cos && sin && mask && windowMask) {
    const masked = (apart: Value) => (qkv: Value) => visionAttention(g, qkv, heads, { cos, sin }, apart);
    return { whole: masked(mask), windows: masked(windowMask) };
  }
  const windows = rotaryOfWindows(tables);
  const within = (some: readonly Windows[]) => (qkv: Value) => attendInWindows(g, qkv, heads, some);
  return { whole: within([joined(g, windows)]), windows: within(windows) };
}

/** Windows of one size, one after the other in every image: tables [images, windows, patches of one, headDim / 2]. */
type Windows = RotaryTables;

function rotaryOfWindows(tables: Readonly<Record<string, Value>>): Windows[] {
  const windows: Windows[] = [];
  for (let k = 0; tables[`cos.${k}`]; k++) windows.push({ cos: tables[`cos.${k}`]!, sin: tables[`sin.${k}`]! });
  return windows;
}

/** The windows of an image as one that is the whole image. */
function joined(g: Graph, windows: readonly Windows[]): Windows {
  const table = (of: keyof RotaryTables) => {
    const parts = windows.map((each) => {
      const [images, count, length, half] = each[of].shape as readonly number[] as [number, number, number, number];
      return reshape(g, each[of], [images, 1, count * length, half]);
    });
    return parts.length === 1 ? parts[0]! : concat(g, parts, 2);
  };
  return { cos: table("cos"), sin: table("sin") };
}

function layer(
  g: Graph,
  weights: Weights,
  { vision }: Qwen25VlConfig,
  name: string,
  x: Value,
  attend: (qkv: Value) => Value,
): Value {
  const { hiddenSize, intermediateSize } = vision;
  const normed = rmsNorm(g, weights, `${name}.norm1`, x, epsilon);
  const qkv = linear(g, weights, `${name}.attn.qkv`, normed, 3 * hiddenSize, { bias: true });
  const attended = attend(qkv);
  const hidden = linear(g, weights, `${name}.attn.proj`, attended, hiddenSize, { bias: true, residual: x });
  const m = rmsNorm(g, weights, `${name}.norm2`, hidden, epsilon);
  return gatedMlp(g, weights, `${name}.mlp`, m, intermediateSize, { bias: true, residual: hidden });
}

/** Attention within windows: qkv [images · patches, 3 · width] → [images · patches, width]. */
function attendInWindows(g: Graph, qkv: Value, heads: number, windows: readonly Windows[]): Value {
  const [rows, width] = qkv.shape as readonly number[] as [number, number];
  const images = windows[0]!.cos.shape[0] as number;
  const ofImages = reshape(g, qkv, [images, rows / images, width]);
  let first = 0;
  const parts = windows.map(({ cos, sin }) => {
    const [, count, length, half] = cos.shape as readonly number[] as [number, number, number, number];
    const places = count * length;
    const own =
      windows.length === 1 ? ofImages : g.op("Slice", [ofImages], { axis: 1, start: first, end: first + places });
    first += places;
    const table = (of: Value) => reshape(g, of, [images * count, length, half]);
    const part = reshape(g, own, [images * places, width]);
    const attended = visionAttention(g, part, heads, { cos: table(cos), sin: table(sin) });
    return reshape(g, attended, [images, places, width / 3]);
  });
  return reshape(g, parts.length === 1 ? parts[0]! : concat(g, parts, 1), [rows, width / 3]);
}
