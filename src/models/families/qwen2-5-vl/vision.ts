import { add, concat, type Graph, gather, reshape } from "../../../onnx/graph/graph";
import type { Value } from "../../../onnx/graph/value";
import type { Tensor } from "../../../onnx/runtime/session";
import { type RotaryTables, visionAttention } from "../../parts/attention";
import { patchWidth } from "../../parts/config";
import { gatedMlp } from "../../parts/decoder";
import { linear, rmsNorm, type Weights } from "../../parts/layers";
import { type Grid, visionRotaryTables } from "../../parts/positions";
import type { Qwen25VlConfig } from "./config";

/** An image token covers a block of patches, which stay together; the blocks of an image are numbered row by row. */
type Block = number;

/**
 * Windows of `windowSize` pixels, from the upper left corner on; those at the right and lower edges are cut. Windows of equal size stand together,
 * so that they are computed together: a window attends to itself alone, and their order does not matter.
 * @returns [sizes][windows][blocks]
 */
export function windowsOf([, height, width]: Grid, { vision }: Qwen25VlConfig): Block[][][] {
  const { spatialMergeSize: merge, patchSize, windowSize } = vision;
  const [rows, columns] = [height / merge, width / merge];
  const side = Math.floor(windowSize / (patchSize * merge));
  const bySize = new Map<number, Block[][]>();
  for (let top = 0; top < rows; top += side)
    for (let left = 0; left < columns; left += side) {
      const window: Block[] = [];
      for (let y = top; y < Math.min(top + side, rows); y++)
        for (let x = left; x < Math.min(left + side, columns); x++) window.push(y * columns + x);
      bySize.set(window.length, [...(bySize.get(window.length) ?? []), window]);
    }
  return [...bySize.values()];
}

/**
 * For one image: `order`, the block in each place of the tower; `places`, the place of each block; and for each size k of windows `cos.k` and
 * `sin.k`, the rotary tables of their patches, [windows, patches of one, headDim / 2].
 */
export function visionTables(grid: Grid, config: Qwen25VlConfig): Record<string, Tensor> {
  const { hiddenSize, heads, spatialMergeSize } = config.vision;
  const area = spatialMergeSize ** 2;
  const windows = windowsOf(grid, config);
  const order = windows.flat(2);
  const places = new Array<number>(order.length);
  order.forEach((block, place) => {
    places[block] = place;
  });
  const tables: Record<string, Tensor> = { order: integers(order), places: integers(places) };
  const { cos, sin } = visionRotaryTables(grid, hiddenSize / heads, spatialMergeSize);
  const half = hiddenSize / heads / 2;
  windows.forEach((alike, k) => {
    const shape = [alike.length, alike[0]!.length * area, half];
    tables[`cos.${k}`] = { data: rowsOf(cos, alike.flat(), area * half), shape };
    tables[`sin.${k}`] = { data: rowsOf(sin, alike.flat(), area * half), shape };
  });
  return tables;
}

const integers = (data: readonly number[]): Tensor => ({
  data: BigInt64Array.from(data, BigInt),
  shape: [data.length],
});

/** Some rows of a table, each `width` numbers. */
function rowsOf(table: Float32Array, rows: readonly number[], width: number): Float32Array {
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    data.set(table.subarray(row * width, (row + 1) * width), i * width);
  });
  return data;
}

/**
 * Vision tower and merger for images of one grid: patches [images · patches, channels · 2 · 14²] → features [images · patches / 4, hidden]. Layers
 * attend within windows, except for those with full attention.
 * @param tables those of `visionTables`, [images, …]
 */
export function visionTower(
  g: Graph,
  weights: Weights,
  config: Qwen25VlConfig,
  patches: Value,
  tables: Readonly<Record<string, Value>>,
): Value {
  const { vision, text } = config;
  const { hiddenSize, spatialMergeSize } = vision;
  const each = spatialMergeSize ** 2;
  const width = patchWidth(config);
  const blocks = (patches.shape[0] as number) / each;
  const ordered = pick(g, reshape(g, patches, [blocks, each * width]), tables.order!);
  const size = [vision.inChannels, vision.temporalPatchSize, vision.patchSize, vision.patchSize];
  const kernel = reshape(g, weights.tensor("visual.patch_embed.proj.weight", [hiddenSize, ...size]), [
    hiddenSize,
    width,
  ]);
  let x = g.op("Gemm", [reshape(g, ordered, [blocks * each, width]), kernel], { transB: true });

  const windows = rotaryOfWindows(tables);
  const whole = [joined(g, windows)];
  for (let i = 0; i < vision.depth; i++)
    x = layer(g, weights, config, `visual.blocks.${i}`, x, vision.fullAttention.includes(i) ? whole : windows);

  const merged = reshape(g, rmsNorm(g, weights, "visual.merger.ln_q", x, epsilon), [blocks, each * hiddenSize]);
  const wide = linear(g, weights, "visual.merger.mlp.0", merged, each * hiddenSize, { bias: true });
  const features = linear(g, weights, "visual.merger.mlp.2", g.op("Gelu", [wide], {}), text.hiddenSize, { bias: true });
  return pick(g, features, tables.places!);
}

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
  windows: readonly Windows[],
): Value {
  const { hiddenSize, heads, intermediateSize } = vision;
  const normed = rmsNorm(g, weights, `${name}.norm1`, x, epsilon);
  const qkv = linear(g, weights, `${name}.attn.qkv`, normed, 3 * hiddenSize, { bias: true });
  const attended = attendInWindows(g, qkv, heads, windows);
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
