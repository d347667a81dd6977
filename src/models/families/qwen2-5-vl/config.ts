import * as z from "zod";
import type { ConfigFiles } from "../../files/config-files";
import { count, limits } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, qwen2Text, readQwen2Config } from "../qwen2/config";
import { field, type ValuesOf } from "../qwen2/fields";
import { visionFields } from "../qwen2/vision";

/** Qwen2_5_VLVisionConfig. */
const towerFields = {
  ...visionFields({ depth: 32, patchSize: 14 }),
  hiddenSize: field("hidden_size", count(limits.width), 3584),
  intermediateSize: field("intermediate_size", count(limits.width), 3420),
  /** Side of an attention window, in pixels. */
  windowSize: field("window_size", count(limits.width), 112),
  /** Blocks that attend to the whole image. */
  fullAttention: field<readonly number[]>(
    "fullatt_block_indexes",
    z.array(z.int()).max(limits.layers),
    [7, 15, 23, 31],
  ),
};

/** The network's settings of a checkpoint. */
export type Qwen25VlConfig = DecoderConfig & { readonly vision: ValuesOf<typeof towerFields> };

export const kind: Qwen2Kind<typeof towerFields> = {
  modelType: "qwen2_5_vl",
  architecture: "Qwen2_5_VLForConditionalGeneration",
  text: qwen2Text,
  vision: {
    fields: towerFields,
    width: "hiddenSize",
    output: "out_hidden_size",
    activation: "silu",
    check({ patchSize, spatialMergeSize, windowSize }, demand) {
      const token = patchSize * spatialMergeSize;
      demand(
        windowSize >= token,
        `vision_config.window_size: expected at least one image token, patch_size · spatial_merge_size = ${token}, got ${windowSize}`,
      );
    },
  },
};

/**
 * Configuration of a Qwen2.5-VL checkpoint, in the flat layout or with `text_config`.
 * @throws ConfigError naming each key that this network cannot represent
 */
export function readConfig(files: ConfigFiles): Qwen25VlConfig {
  const { vision, ...others } = readQwen2Config(kind, files);
  // transformers ignores numbers of blocks that do not exist.
  const fullAttention = vision.fullAttention.filter((i) => i >= 0 && i < vision.depth);
  return { ...others, vision: { ...vision, fullAttention } };
}

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export const configJson = (config: Qwen25VlConfig): Record<string, unknown> => qwen2ConfigJson(kind, config);
