import * as z from "zod";
import type { ConfigFiles } from "../../files/config-files";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import { type Qwen2Kind, qwen2ConfigJson, qwen2Text, readQwen2Config } from "../qwen2/config";
import { checkWidths, storedVision, visionFields, visionShape } from "../qwen2/vision";

/** The network's settings of a checkpoint. */
export interface Qwen25VlConfig extends DecoderConfig {
  readonly vision: DecoderConfig["vision"] & {
    readonly depth: number;
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    readonly heads: number;
    /** Side of an attention window, in pixels. */
    readonly windowSize: number;
    /** Blocks that attend to the whole image. */
    readonly fullAttention: readonly number[];
  };
}

/** Qwen2_5_VLVisionConfig. */
const visionSchema = z.object({
  ...visionFields({ depth: 32, patchSize: 14, activation: "silu" }),
  hidden_size: orDefault(count(limits.width), 3584),
  intermediate_size: orDefault(count(limits.width), 3420),
  window_size: orDefault(count(limits.width), 112),
  out_hidden_size: orDefault(count(limits.width), 3584),
  fullatt_block_indexes: orDefault(z.array(z.int()).max(limits.layers), [7, 15, 23, 31]),
});

export const kind: Qwen2Kind<z.infer<typeof visionSchema>> = {
  modelType: "qwen2_5_vl",
  architecture: "Qwen2_5_VLForConditionalGeneration",
  text: qwen2Text,
  visionSchema,
  checkVision(vision, hiddenSize, demand) {
    checkWidths(vision, { width: "hidden_size", output: "out_hidden_size" }, hiddenSize, demand);
    const token = vision.patch_size * vision.spatial_merge_size;
    demand(
      vision.window_size >= token,
      `vision_config.window_size: expected at least one image token, patch_size · spatial_merge_size = ${token}, got ${vision.window_size}`,
    );
  },
};

/**
 * Configuration of a Qwen2.5-VL checkpoint, in the flat layout or with `text_config`.
 * @throws ConfigError naming each key that this network cannot represent
 */
export function readConfig(files: ConfigFiles): Qwen25VlConfig {
  const { text, tokens, vision } = readQwen2Config(kind, files);
  return {
    text,
    tokens,
    vision: {
      ...visionShape(vision),
      hiddenSize: vision.hidden_size,
      intermediateSize: vision.intermediate_size,
      windowSize: vision.window_size,
      // transformers ignores numbers of blocks that do not exist.
      fullAttention: vision.fullatt_block_indexes.filter((i) => i >= 0 && i < vision.depth),
    },
  };
}

/** `config.json` of a checkpoint with this shape, as transformers reads it. */
export const configJson = (config: Qwen25VlConfig): Record<string, unknown> =>
  qwen2ConfigJson(kind, config, {
    ...storedVision(config.vision),
    hidden_size: config.vision.hiddenSize,
    intermediate_size: config.vision.intermediateSize,
    window_size: config.vision.windowSize,
    fullatt_block_indexes: config.vision.fullAttention,
    out_hidden_size: config.text.hiddenSize,
    hidden_act: "silu",
  });
