import { join } from "node:path";
import { ConfigError } from "../errors";
import type { Precision } from "../models/checkpoint/quantize";
import { readJson } from "../models/files/directory";
import { chatTemplateOf } from "../models/inputs/chat-template";
import { loadImageSettings } from "../models/inputs/image-processor";
import type { VisionLanguageModel } from "../models/open-model";

/** A family's names in transformers.js 4.3.1. */
export interface TransformersJsFamily {
  readonly processorClass: string;
  /** The vision encoder's input with the grids of the images. */
  readonly gridsName: string;
}

export const transformersJsFamilies: Readonly<Record<string, TransformersJsFamily>> = {
  qwen2_vl: { processorClass: "Qwen2VLProcessor", gridsName: "grid_thw" },
  qwen2_5_vl: { processorClass: "Qwen2_5_VLProcessor", gridsName: "image_grid_thw" },
  qwen3_vl: { processorClass: "Qwen3VLProcessor", gridsName: "image_grid_thw" },
};

/** The three graphs of a vision-language model. */
export const graphNames = ["embed_tokens", "vision_encoder", "decoder_model_merged"] as const;
export type GraphName = (typeof graphNames)[number];

/** transformers.js' name of the numbers in a file, and the file name's ending. */
type FileType = readonly [dtype: string, suffix: string];

const fileTypes: Readonly<Record<Precision, FileType>> = {
  float32: ["fp32", ""],
  half: ["fp16", "_fp16"],
  int8: ["q8", "_quantized"],
  int4: ["q4", "_q4"],
};

/** The embeddings are rows to look up, which are not quantized. */
export const fileTypeOf = (graph: GraphName, precision: Precision): FileType =>
  fileTypes[graph === "embed_tokens" && precision !== "float32" ? "half" : precision];

/** The JSON files of an export, by name. @throws ConfigError when images could not be made small enough */
export async function settingsOf(
  model: VisionLanguageModel,
  { processorClass }: TransformersJsFamily,
  precision: Precision,
  maxPixels: number,
  chunks: Readonly<Record<string, number>>,
): Promise<Record<string, unknown>> {
  const { dir, architecture } = model;
  const { image, video, visionStart, visionEnd, eos, pad } = architecture.config.tokens;
  const { text_config, ...outer } = architecture.configJson() as { readonly text_config: object };
  const images = await loadImageSettings(dir, architecture);
  if (images.min_pixels > maxPixels)
    throw new ConfigError(
      `exportTransformersJs: expected maxPixels to be at least the model's min_pixels ${images.min_pixels}, got ${maxPixels}`,
    );
  const dtype = Object.fromEntries(graphNames.map((graph) => [graph, fileTypeOf(graph, precision)[0]]));
  return {
    // transformers.js looks for the text model's numbers at the top.
    "config.json": {
      ...text_config,
      ...outer,
      text_config,
      "transformers.js_config": { dtype, use_external_data_format: chunks },
    },
    // Sampling settings of the checkpoint are left out, so that generation is greedy unless a caller asks otherwise.
    "generation_config.json": {
      eos_token_id: eos,
      pad_token_id: pad,
      suppress_tokens: [image, video, visionStart, visionEnd],
    },
    "preprocessor_config.json": {
      ...images,
      max_pixels: Math.min(maxPixels, images.max_pixels),
      image_processor_type: "Qwen2VLImageProcessor",
      processor_class: processorClass,
    },
    "tokenizer_config.json": {
      ...((await readJson(join(dir, "tokenizer_config.json"))) as object),
      chat_template: await chatTemplateOf(dir, architecture.chatTemplate),
    },
  };
}
