import type { Architecture } from "../../models/parts/architecture";
import type { Weights } from "../../models/parts/layers";
import { type VisionShape, visionFeatures } from "../../models/parts/vision-inputs";
import { concat, createGraph, type Graph } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";

/** The most images of one grid that go through the tower together. */
export const imagesAtOnce = 16;

/**
 * The features of images of one grid, concatenated along the last axis: [image tokens, featureCount · hiddenSize].
 * Inputs: those of `shape`.
 */
export function visionGraph(
  architecture: Architecture,
  shape: VisionShape,
  bind: (g: Graph) => Weights,
): { graph: Graph; outputs: Record<string, Value> } {
  const g = createGraph();
  const features = visionFeatures(g, bind(g), architecture, shape, "");
  return { graph: g, outputs: { features: features.length === 1 ? features[0]! : concat(g, [...features], 1) } };
}
