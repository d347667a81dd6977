import type { Architecture, Family } from "../../parts/architecture";
import { decoder } from "../../parts/decoder";
import { names } from "../../parts/names";
import { qwen3ChatTemplate } from "../qwen2/chat-template";
import { preprocessing } from "../qwen2/shared";
import { configJson, kind, type Qwen3VlConfig, readConfig } from "./config";
import { visionTables, visionTablesOf, visionTower } from "./vision";

/** Bai et al., arXiv 2511.21631; deepstack: Meng et al., arXiv 2406.04334. */
export const qwen3Vl: Family = {
  modelType: kind.modelType,
  read: (files) => qwen3VlArchitecture(readConfig(files)),
};

export const qwen3VlArchitecture = (config: Qwen3VlConfig): Architecture => ({
  ...names,
  ...decoder(config, { attentionBias: false, queryKeyNorms: true, interleavedSections: true }),
  // transformers reads the short names of older families' files for those families alone.
  storedName: names.transformersName,
  modelType: kind.modelType,
  config,
  configJson: () => configJson(config),
  featureCount: 1 + config.vision.deepstack.length,
  visionTables: (grid) => visionTables(grid, config),
  visionTablesOf: (g, places) => visionTablesOf(g, places, config),
  vision: (g, weights, patches, tables) => visionTower(g, weights, config, patches, tables),
  preprocessing,
  chatTemplate: qwen3ChatTemplate,
  boxes: "thousand",
});
