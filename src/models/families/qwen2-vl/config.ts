import * as z from "zod";
import { type ConfigFiles, readConfigFiles } from "../../files/config-files";
import { count, limits } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, qwen2Text, readQwen2Config } from "../qwen2/config";
import { field } from "../qwen2/fields";
import { visionFields } from "../qwen2/vision";

/** The parts of a checkpoint's configuration that the network needs, from either file layout. */
export interface Qwen2VlConfig extends DecoderConfig {
  readonly vision: DecoderConfig["vision"] & {
    readonly depth: number;
    readonly embedDim: number;
    readonly heads: number;
    readonly mlpRatio: number;
  };
}

/** Qwen2VLVisionConfig. */
const towerFields = {
  ...visionFields({ depth: 32, patchSize: 14 }),
  embedDim: field("embed_dim", count(limits.width), 1280),
  mlpRatio: field("mlp_ratio", z.number().positive().max(limits.patch), 4),
};

export const kind: Qwen2Kind<typeof towerFields> = {
  modelType: "qwen2_vl",
  architecture: "Qwen2VLForConditionalGeneration",
  text: qwen2Text,
  vision: {
    fields: towerFields,
    width: "embedDim",
    output: "hidden_size",
    activation: "quick_gelu",
    check: ({ embedDim, mlpRatio }, demand) =>
      demand(
        Number.isInteger(embedDim * mlpRatio),
        `vision_config.mlp_ratio: expected a whole number of hidden units, got ${mlpRatio} · ${embedDim}`,
      ),
  },
};

/**
 * Reads `config.json` (and `generation_config.json`, if there) of a Qwen2-VL checkpoint, in the flat layout or with
 * `text_config`.
 * @throws DataError if the file cannot be read; ConfigError naming each key that this network cannot represent
 * @example
 * const { text, vision } = await loadConfig("Qwen2-VL-2B-Instruct");
 * console.log(text.layers, vision.depth); // 28 32
 */
export async function loadConfig(dir: string): Promise<Qwen2VlConfig> {
  return readConfig(await readConfigFiles(dir));
}

/** @throws ConfigError naming each key that this network cannot represent */
export const readConfig = (files: ConfigFiles): Qwen2VlConfig => readQwen2Config(kind, files);

/**
 * `config.json` of a checkpoint with this shape, as transformers reads it.
 * @example
 * await writeFile("config.json", JSON.stringify(configJson(await loadConfig("Qwen2-VL-2B-Instruct"))));
 */
export const configJson = (config: Qwen2VlConfig): Record<string, unknown> => qwen2ConfigJson(kind, config);
