import type { Architecture, Family } from "../../parts/architecture";
import { qwen2Shared } from "../qwen2/shared";
import { configJson, kind, type Qwen25VlConfig, readConfig } from "./config";
import { visionTower } from "./vision";
import { visionTables, visionTablesOf } from "./windows";

/** Bai et al., arXiv 2502.13923. */
export const qwen25Vl: Family = {
  modelType: kind.modelType,
  read: (files) => qwen25VlArchitecture(readConfig(files)),
};

export const qwen25VlArchitecture = (config: Qwen25VlConfig): Architecture => ({
  ...qwen2Shared(config),
  modelType: kind.modelType,
  config,
  configJson: () => configJson(config),
  visionTables: (grid) => visionTables(grid, config),
  visionTablesOf: (g, places) => visionTablesOf(g, places, config),
  vision: (g, weights, patches, tables) => [visionTower(g, weights, config, patches, tables)],
  boxes: "pixel",
});
