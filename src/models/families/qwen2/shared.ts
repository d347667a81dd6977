import type { Architecture, Preprocessing } from "../../parts/architecture";
import { type DecoderConfig, decoder } from "../../parts/decoder";
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
