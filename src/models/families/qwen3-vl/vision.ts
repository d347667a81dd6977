import { add, cast, concat, type Graph, gather, mul, reduceSum, reshape, scalar, sub } from "../../../onnx/graph/graph";
import { dividedBy } from "../../../onnx/graph/shapes";
import type { Dim, Value } from "../../../onnx/graph/value";
import type { Tensor } from "../../../onnx/runtime/session";
import { type RotaryTables, visionAttention } from "../../parts/attention";
import { embedPatches, layerNorm, linear, type Weights } from "../../parts/layers";
import { maskApart, type PatchPlaces, rotaryOf } from "../../parts/patch-places";
import { type Grid, patchOrder, visionRotaryTables } from "../../parts/positions";
import type { Qwen3VlConfig } from "./config";

/** Learned positions that are read for a patch: the corners of the cell of the learned grid that it lies in. */
const corners = 4;

/**
 * For one image: `cos` and `sin`, rotary tables [patches, headDim / 2]; `positions` [patches, 4], which learned
 * positions a patch lies between, and `shares` [patches, 4], how much of each it gets. The corners of the image and of
 * the learned grid coincide.
 */
export function visionTables(grid: Grid, { vision }: Qwen3VlConfig): Record<string, Tensor> {
  const headDim = vision.hiddenSize / vision.heads;
  const { cos, sin } = visionRotaryTables(grid, headDim, vision.spatialMergeSize);
  const [frames, rows, columns] = grid;
  const side = Math.floor(Math.sqrt(vision.positions));
  const [across, down] = [columns, rows].map((size) =>
    Array.from({ length: size }, (_, i) => neighbours(i, size, side)),
  );
  const places = patchOrder(rows, columns, vision.spatialMergeSize);
  const patches = frames * places.length;
  const positions = new BigInt64Array(patches * corners);
  const shares = new Float32Array(patches * corners);
  for (let i = 0; i < patches; i++) {
    const [row, column] = places[i % places.length]!;
    down![row]!.forEach((y, j) => {
      across![column]!.forEach((x, k) => {
        positions[i * corners + 2 * j + k] = BigInt(y.index * side + x.index);
        shares[i * corners + 2 * j + k] = y.share * x.share;
      });
    });
  }
  const rotary = [patches, headDim / 2];
  return {
    cos: { data: cos, shape: rotary },
    sin: { data: sin, shape: rotary },
    positions: { data: positions, shape: [patches, corners] },
    shares: { data: shares, shape: [patches, corners] },
  };
}

/**
 * The two of `side` learned positions around place `i` of `size`, and their shares; rounded to float32 where
 * transformers rounds.
 */
function neighbours(i: number, size: number, side: number) {
  const { fround } = Math;
  const at = fround(fround(i * (side - 1)) / Math.max(size - 1, 1));
  const first = Math.floor(at);
  const share = fround(1 - fround(at - first));
  return [
    { index: first, share },
    { index: Math.min(first + 1, side - 1), share: fround(1 - share) },
  ];
}

/** The same for images of any grids as one sequence, and `mask`, which keeps them apart. */
export function visionTablesOf(g: Graph, places: PatchPlaces, { vision }: Qwen3VlConfig): Record<string, Value> {
  const side = Math.floor(Math.sqrt(vision.positions));
  const [least, one] = [g.integers([side - 1], []), g.integers([1], [])];
  const neighboursOf = (place: Value, size: Value) => {
    const scaled = mul(g, cast(g, place, "float32"), scalar(g, side - 1));
    const at = g.op("Div", [scaled, cast(g, sub(g, size, one), "float32")], {});
    const first = cast(g, at, "int64");
    const share = sub(g, scalar(g, 1), sub(g, at, cast(g, first, "float32")));
    const second = g.op("Where", [g.op("Less", [first, least], {}), add(g, first, one), first], {});
    return [
      { index: first, share },
      { index: second, share: sub(g, scalar(g, 1), share) },
    ];
  };
  const across = neighboursOf(places.column, places.columns);
  const around = neighboursOf(places.row, places.rows).flatMap((y) => across.map((x) => ({ x, y })));
  const together = (parts: Value[]) => {
    const columns = parts.map((part) => reshape(g, part, [places.patches, 1]));
    return reshape(g, concat(g, columns, 1), [1, places.patches, corners]);
  };
  return {
    ...rotaryOf(g, places, vision.hiddenSize / vision.heads),
    positions: together(around.map(({ x, y }) => add(g, mul(g, y.index, g.integers([side], [])), x.index))),
    shares: together(around.map(({ x, y }) => mul(g, y.share, x.share))),
    mask: maskApart(g, places.image),
  };
}

/**
 * Vision tower and mergers for images of one grid: patches [images · patches, channels · 2 · 16²] → features, each
 * [images · patches / 4, hidden]: those of the last block, then one for each block of `deepstack`, in the order of
 * blocks.
 * @param tables those of `visionTables`, [images, …]; or those of `visionTablesOf`, for images of any grids as one
 * sequence
 */
export function visionTower(
  g: Graph,
  weights: Weights,
  config: Qwen3VlConfig,
  patches: Value,
  { cos, sin, positions, shares, mask }: Readonly<Record<string, Value>>,
): readonly Value[] {
  const { depth, deepstack } = config.vision;
  let x = embedPatches(g, weights, config, patches, config.vision.hiddenSize, { bias: true });
  x = add(g, x, interpolated(g, weights, config, positions!, shares!));
  const deeper: Value[] = [];
  for (let i = 0; i < depth; i++) {
    x = block(g, weights, config, `visual.blocks.${i}`, x, { cos: cos!, sin: sin!, mask });
    const k = deepstack.indexOf(i);
    if (k >= 0) deeper.push(merger(g, weights, config, `visual.deepstack_merger_list.${k}`, x, "after merging"));
  }
  return [merger(g, weights, config, "visual.merger", x, "before merging"), ...deeper];
}

/** The learned positions of patches, [images · patches, hidden]: Σ share · position over the corners. */
function interpolated(g: Graph, weights: Weights, { vision }: Qwen3VlConfig, positions: Value, shares: Value): Value {
  const learned = weights.tensor("visual.pos_embed.weight", [vision.positions, vision.hiddenSize]);
  const [images, patches] = positions.shape as readonly Dim[] as [number, Dim];
  const all = images === 1 ? patches : images * (patches as number);
  const around = gather(g, learned, reshape(g, positions, [all, corners]));
  return reduceSum(g, mul(g, around, reshape(g, shares, [all, corners, 1])), [1]);
}

function block(
  g: Graph,
  weights: Weights,
  { vision }: Qwen3VlConfig,
  name: string,
  x: Value,
  { mask, ...rotary }: RotaryTables & { readonly mask?: Value | undefined },
): Value {
  const { hiddenSize, heads, intermediateSize } = vision;
  const normed = layerNorm(g, weights, `${name}.norm1`, x);
  const qkv = linear(g, weights, `${name}.attn.qkv`, normed, 3 * hiddenSize, { bias: true });
  const attended = visionAttention(g, qkv, heads, rotary, mask);
  const hidden = linear(g, weights, `${name}.attn.proj`, attended, hiddenSize, { bias: true, residual: x });
  const m = layerNorm(g, weights, `${name}.norm2`, hidden);
  const wide = linear(g, weights, `${name}.mlp.linear_fc1`, m, intermediateSize, { bias: true });
  const activated = g.op("Gelu", [wide], { approximate: "tanh" });
  return linear(g, weights, `${name}.mlp.linear_fc2`, activated, hiddenSize, { bias: true, residual: hidden });
}

/** Features of image tokens, [images · patches / 4, hidden of the language model], from those of their patches. */
function merger(
  g: Graph,
  weights: Weights,
  { vision, text }: Qwen3VlConfig,
  name: string,
  x: Value,
  norm: "before merging" | "after merging",
): Value {
  const area = vision.spatialMergeSize ** 2;
  const width = area * vision.hiddenSize;
  const merge = (patches: Value) => reshape(g, patches, [dividedBy(x.shape[0]!, area), width]);
  const normed = (input: Value) => layerNorm(g, weights, `${name}.norm`, input);
  const merged = norm === "before merging" ? merge(normed(x)) : normed(merge(x));
  const wide = linear(g, weights, `${name}.linear_fc1`, merged, width, { bias: true });
  return linear(g, weights, `${name}.linear_fc2`, g.op("Gelu", [wide], {}), text.hiddenSize, { bias: true });
}
