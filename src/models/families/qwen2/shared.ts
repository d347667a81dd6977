import { type Graph, reshape } from "../../../onnx/graph/graph";
import { dividedBy } from "../../../onnx/graph/shapes";
import type { Dim, Value } from "../../../onnx/graph/value";
import type { Architecture, Preprocessing } from "../../parts/architecture";
import { type DecoderConfig, decoder } from "../../parts/decoder";
import { linear, type Weights } from "../../parts/layers";
import { names } from "../../parts/names";
import { qwen2ChatTemplate } from "./chat-template";

/** Qwen2VLImageProcessor, which AutoProcessor uses for every family; Qwen3-VL's files set the differences. */
export const preprocessing: Preprocessing = {
  processors: [
    "Qwen2VLImageProcessor",
    "Qwen2VLImageProcessorFast",
    "Qwen2VLImageProcessorPil",
    "Qwen2_5_VLImageProcessor",
  ],
  patchSize: 14,
  mergeSize: 2,
  minPixels: 56 * 56,
  maxPixels: 28 * 28 * 1280,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

/** The common part of Qwen2-VL and Qwen2.5-VL. */
export const qwen2Shared = (config: DecoderConfig) =>
  ({
    ...names,
    ...decoder(config, { attentionBias: true, queryKeyNorms: false, interleavedSections: false }),
    featureCount: 1,
    preprocessing,
    chatTemplate: qwen2ChatTemplate,
  }) satisfies Partial<Architecture>;

/** Features of image tokens, [tokens, hidden], from those of their patches, which are adjacent, [patches, width]. */
export function mergePatches(g: Graph, weights: Weights, { vision, text }: DecoderConfig, patches: Value): Value {
  const area = vision.spatialMergeSize ** 2;
  const [count, own] = patches.shape as readonly Dim[] as [Dim, number];
  const width = area * own;
  const merged = reshape(g, patches, [dividedBy(count, area), width]);
  const wide = linear(g, weights, "visual.merger.mlp.0", merged, width, { bias: true });
  return linear(g, weights, "visual.merger.mlp.2", g.op("Gelu", [wide], {}), text.hiddenSize, { bias: true });
}
