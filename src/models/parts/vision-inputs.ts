import type { Graph } from "../../onnx/graph/graph";
import type { DType, Value } from "../../onnx/graph/value";
import { dtypeOf } from "../../onnx/runtime/session";
import type { Architecture } from "./architecture";
import { patchWidth } from "./config";
import type { Weights } from "./layers";
import type { Grid } from "./positions";

/** The inputs of `Architecture.vision` for images of one grid, which a graph is built for. */
export type VisionShape = Readonly<Record<string, { readonly dtype: DType; readonly shape: readonly number[] }>>;

/** The inputs for `images` images of one grid: `patches`, and each of `visionTables` repeated for every image. */
export function visionShape(architecture: Architecture, grid: Grid, images: number): VisionShape {
  const patches = grid[0] * grid[1] * grid[2];
  const tables = Object.entries(architecture.visionTables(grid)).map(
    ([name, { data, shape }]) => [name, { dtype: dtypeOf(data), shape: [images, ...shape] }] as const,
  );
  const pixels = { dtype: "float32", shape: [images * patches, patchWidth(architecture.config)] } as const;
  return { patches: pixels, ...Object.fromEntries(tables) };
}

/** `Architecture.vision` over inputs of `g` with these shapes, their names behind `prefix`. */
export function visionFeatures(
  g: Graph,
  weights: Weights,
  architecture: Architecture,
  shape: VisionShape,
  prefix: string,
): readonly Value[] {
  const inputs = Object.entries(shape).map(
    ([name, { dtype, shape: size }]) => [name, g.input(`${prefix}${name}`, dtype, size)] as const,
  );
  const { patches, ...tables } = Object.fromEntries<Value>(inputs);
  return architecture.vision(g, weights, patches!, tables);
}
