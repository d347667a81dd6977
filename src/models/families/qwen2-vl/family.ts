import type { Architecture, Family } from "../../parts/architecture";
import { maskApart, rotaryOf } from "../../parts/patch-places";
import { visionRotaryTables } from "../../parts/positions";
import { qwen2Shared } from "../qwen2/shared";
import { configJson, kind, type Qwen2VlConfig, readConfig } from "./config";
import { visionTower } from "./vision";

/** The Qwen2-VL family. Source: Wang et al., arXiv 2409.12191. */
export const qwen2Vl: Family = {
  modelType: kind.modelType,
  read: (files) => qwen2VlArchitecture(readConfig(files)),
};

export function qwen2VlArchitecture(config: Qwen2VlConfig): Architecture {
  const { vision } = config;
  const headDim = vision.embedDim / vision.heads;
  return {
    ...qwen2Shared(config),
    modelType: kind.modelType,
    config,
    configJson: () => configJson(config),
    visionTables(grid) {
      const { cos, sin } = visionRotaryTables(grid, headDim, vision.spatialMergeSize);
      const shape = [grid[0] * grid[1] * grid[2], headDim / 2];
      return { cos: { data: cos, shape }, sin: { data: sin, shape } };
    },
    visionTablesOf: (g, places) => ({ ...rotaryOf(g, places, headDim), mask: maskApart(g, places.image) }),
    vision: (g, weights, patches, { cos, sin, mask }) => [
      visionTower(g, weights, config, patches, { cos: cos!, sin: sin!, mask }),
    ],
    boxes: "thousand",
  };
}
