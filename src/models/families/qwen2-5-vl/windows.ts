import { add, type Graph, mul } from "../../../onnx/graph/graph";
import type { Value } from "../../../onnx/graph/value";
import type { Tensor } from "../../../onnx/runtime/session";
import { maskApart, type PatchPlaces, rotaryOf } from "../../parts/patch-places";
import { type Grid, visionRotaryTables } from "../../parts/positions";
import type { Qwen25VlConfig } from "./config";

/**
 * The attention windows of an image, as lists of its image tokens (counted row by row), whose patches stay together.
 * Windows are squares of `windowSize` pixels, laid from the upper left corner and cut at the right and lower edges. A
 * window attends to itself alone, so that their order does not matter: windows of one size stand together, and are
 * computed together.
 * @returns [sizes][windows][tokens]
 */
export function windowsOf([, height, width]: Grid, { vision }: Pick<Qwen25VlConfig, "vision">): number[][][] {
  const { spatialMergeSize, patchSize, windowSize } = vision;
  const [rows, columns] = [height / spatialMergeSize, width / spatialMergeSize];
  const side = Math.floor(windowSize / (patchSize * spatialMergeSize));
  const bySize = new Map<number, number[][]>();
  for (let top = 0; top < rows; top += side)
    for (let left = 0; left < columns; left += side) {
      const window: number[] = [];
      for (let y = top; y < Math.min(top + side, rows); y++)
        for (let x = left; x < Math.min(left + side, columns); x++) window.push(y * columns + x);
      const alike = bySize.get(window.length);
      if (alike) alike.push(window);
      else bySize.set(window.length, [window]);
    }
  return [...bySize.values()];
}

/**
 * For one image: `order`, the image token in each place of the tower; `places`, the place of each image token; and for
 * each size k of windows `cos.k` and `sin.k`, the rotary tables of their patches, [windows, patches of one, headDim /
 * 2].
 */
export function visionTables(grid: Grid, config: Pick<Qwen25VlConfig, "vision">): Record<string, Tensor> {
  const { hiddenSize, heads, spatialMergeSize } = config.vision;
  const windows = windowsOf(grid, config);
  const order = windows.flat(2);
  const places = new Array<number>(order.length);
  order.forEach((token, place) => {
    places[token] = place;
  });
  const tables: Record<string, Tensor> = { order: integers(order), places: integers(places) };
  const whole = visionRotaryTables(grid, hiddenSize / heads, spatialMergeSize);
  const half = hiddenSize / heads / 2;
  const patches = spatialMergeSize ** 2;
  windows.forEach((alike, k) => {
    const shape = [alike.length, alike[0]!.length * patches, half];
    tables[`cos.${k}`] = { data: rowsOf(whole.cos, alike.flat(), patches * half), shape };
    tables[`sin.${k}`] = { data: rowsOf(whole.sin, alike.flat(), patches * half), shape };
  });
  return tables;
}

/** The same for images of any grids as one sequence in the processor's order: rotary tables, and masks of scores. */
export function visionTablesOf(g: Graph, places: PatchPlaces, { vision }: Qwen25VlConfig): Record<string, Value> {
  const { hiddenSize, heads, spatialMergeSize, patchSize, windowSize } = vision;
  const side = g.integers([Math.floor(windowSize / (patchSize * spatialMergeSize)) * spatialMergeSize], []);
  const window = (place: Value) => g.op("Div", [place, side], {});
  // One number for image and window: no image has as many windows in a row.
  const many = g.integers([2 ** 20], []);
  const rows = add(g, mul(g, places.image, many), window(places.row));
  const windows = add(g, mul(g, rows, many), window(places.column));
  return {
    ...rotaryOf(g, places, hiddenSize / heads),
    mask: maskApart(g, places.image),
    windowMask: maskApart(g, windows),
  };
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
