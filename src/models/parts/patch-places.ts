import { add, cast, concat, type Graph, gather, mul, reduceSum, reshape, scalar, sub } from "../../onnx/graph/graph";
import type { Dim, Value } from "../../onnx/graph/value";
import type { RotaryTables } from "./attention";
import { visionFrequencies } from "./positions";

/** The place of each patch of a batch, [patches] int64, as nodes of a graph: grids are known at run time only. */
export interface PatchPlaces {
  readonly patches: Dim;
  /** The patch's image, from 0. */
  readonly image: Value;
  /** Row and column in the image's grid. */
  readonly row: Value;
  readonly column: Value;
  /** Rows and columns of the image's grid. */
  readonly rows: Value;
  readonly columns: Value;
}

/**
 * The places of patches in the image processor's order: image after image, in each one merge block after the other.
 * @param pixels [patches, patch width]
 * @param grids [images, 3] int64: frames, rows, columns; an image has one frame
 */
export function patchPlaces(g: Graph, pixels: Value, grids: Value, mergeSize: number): PatchPlaces {
  const [patches, images] = [pixels.shape[0]!, grids.shape[0]!];
  const divide = (a: Value, b: Value) => g.op("Div", [a, b], {});
  const rest = (a: Value, b: Value) => sub(g, a, mul(g, divide(a, b), b));
  const merge = g.integers([mergeSize], []);
  const first = reshape(g, g.op("Slice", [pixels], { axis: 1, start: 0, end: 1 }), [patches]);
  const place = g.op("CumSum", [ones(g, first)], { exclusive: true });
  const [rowsOf, columnsOf] = [1, 2].map((k) =>
    reshape(g, g.op("Slice", [grids], { axis: 1, start: k, end: k + 1 }), [images]),
  ) as [Value, Value];
  const sizes = mul(g, rowsOf, columnsOf);
  const ends = g.op("CumSum", [sizes], {});
  // As many images end at or before a patch as there are images before its own.
  const isAfter = g.op("LessOrEqual", [ends, reshape(g, place, [patches, 1])], {});
  const image = reduceSum(g, cast(g, isAfter, "int64"), [1]);
  const inImage = sub(g, place, gather(g, sub(g, ends, sizes), image));
  const [rows, columns] = [gather(g, rowsOf, image), gather(g, columnsOf, image)];
  const block = divide(inImage, mul(g, merge, merge));
  const blocksAcross = divide(columns, merge);
  const inBlock = rest(inImage, mul(g, merge, merge));
  return {
    patches,
    image,
    row: add(g, mul(g, divide(block, blocksAcross), merge), divide(inBlock, merge)),
    column: add(g, mul(g, rest(block, blocksAcross), merge), rest(inBlock, merge)),
    rows,
    columns,
  };
}

/** Ones of a shape known at run time only, int64; NaN is not expected. */
export const ones = (g: Graph, like: Value): Value => cast(g, g.op("Equal", [like, like], {}), "int64");

/** `visionRotaryTables` of all images as one sequence, [1, patches, headDim / 2]. */
export function rotaryOf(g: Graph, { patches, row, column }: PatchPlaces, headDim: number): RotaryTables {
  const frequencies = g.constant(visionFrequencies(headDim));
  const along = (places: Value) => mul(g, reshape(g, cast(g, places, "float32"), [patches, 1]), frequencies);
  const angles = reshape(g, concat(g, [along(row), along(column)], 1), [1, patches, headDim / 2]);
  return { cos: g.op("Cos", [angles], {}), sin: g.op("Sin", [angles], {}) };
}

/** Scores [patches, patches] that keep apart patches of which `of` differs: 0 for equal ones, else very negative. */
export function maskApart(g: Graph, of: Value): Value {
  const isSame = g.op("Equal", [reshape(g, of, [of.shape[0]!, 1]), of], {});
  return g.op("Where", [isSame, scalar(g, 0), scalar(g, -1e9)], {});
}
