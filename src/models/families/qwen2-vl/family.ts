import type { Architecture, Family } from "../../parts/architecture";
import { decoder } from "../../parts/decoder";
import { names } from "../../parts/names";
import { visionRotaryTables } from "../../parts/positions";
import { qwen2ChatTemplate } from "./chat-template";
import { configJson, modelType, type Qwen2VlConfig, readConfig } from "./config";
import { visionTower } from "./vision";

/** Wang et al., arXiv 2409.12191. */
export const qwen2Vl: Family = { modelType, read: (files) => qwen2VlArchitecture(readConfig(files)) };

/** The network of a Qwen2-VL configuration. */
export function qwen2VlArchitecture(config: Qwen2VlConfig): Architecture {
  const { vision } = config;
  const headDim = vision.embedDim / vision.heads;
  return {
    modelType,
    config,
    configJson: () => configJson(config),
    ...names,
    ...decoder(config, { attentionBias: true, queryKeyNorms: false, interleavedSections: false }),
    featureCount: 1,
    visionTables(grid) {
      const { cos, sin } = visionRotaryTables(grid, headDim, vision.spatialMergeSize);
      const shape = [grid[0] * grid[1] * grid[2], headDim / 2];
      return { cos: { data: cos, shape }, sin: { data: sin, shape } };
    },
    vision: (g, weights, patches, { cos, sin }) => [visionTower(g, weights, config, patches, { cos: cos!, sin: sin! })],
    preprocessing: {
      processors: ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil"],
      patchSize: 14,
      mergeSize: 2,
      minPixels: 56 * 56,
      maxPixels: 28 * 28 * 1280,
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
    },
    chatTemplate: qwen2ChatTemplate,
    boxes: "thousand",
  };
}
