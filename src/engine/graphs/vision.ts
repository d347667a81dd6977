import type { Qwen2VlConfig } from "../../models/families/qwen2-vl/config";
import { visionTower, type Weights } from "../../models/families/qwen2-vl/network";
import { createGraph, type Graph } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";

/** Pictures of one grid that go through the tower together, at most. */
export const picturesAtOnce = 16;

/**
 * Features of `pictures` pictures of `patches` patches each.
 * Inputs: patches [pictures · patches, channels · 2 · 14²]; cos, sin [pictures, patches, headDim / 2]. Output: features.
 */
export function visionGraph(
  config: Qwen2VlConfig,
  { pictures, patches }: { readonly pictures: number; readonly patches: number },
  bind: (g: Graph) => Weights,
): { graph: Graph; outputs: Record<string, Value> } {
  const { vision } = config;
  const g = createGraph();
  const width = vision.inChannels * vision.temporalPatchSize * vision.patchSize ** 2;
  const half = vision.embedDim / vision.heads / 2;
  const table = (name: string) => g.input(name, "float32", [pictures, patches, half]);
  const input = g.input("patches", "float32", [pictures * patches, width]);
  const features = visionTower(g, bind(g), config, input, { cos: table("cos"), sin: table("sin") });
  return { graph: g, outputs: { features } };
}
