import { join } from "node:path";
import * as z from "zod";
import { ConfigError, DataError } from "../../errors";
import type { RawImage } from "../../types";
import { exists, readJson } from "../files/directory";
import { check, count, limits, orDefault } from "../files/fields";
import type { Architecture, Preprocessing } from "../parts/architecture";
import type { VlmConfig } from "../parts/config";
import { type Grid, patchOrder } from "../parts/positions";
import { resizeBicubic } from "./resize";

/** An image as the vision tower takes it. */
export interface ProcessedImage {
  readonly grid: Grid;
  /** [patches, channels · frames · patchSize²], normalised; patches in merge-block order. */
  readonly pixelValues: Float32Array;
}

export interface ImageProcessor {
  /**
   * @param name of the image, for the error
   * @throws DataError for an image with sides beyond a ratio of 200
   */
  process(image: RawImage, name?: string): ProcessedImage;
  gridOf(size: Pick<RawImage, "width" | "height">, name?: string): Grid;
}

const three = z.tuple([z.number(), z.number(), z.number()]);
const deviation = z.number().positive();

/** Qwen2VLImageProcessor, with a family's defaults. */
const processorSchema = ({ processors, patchSize, mergeSize, minPixels, maxPixels, mean, std }: Preprocessing) =>
  z.object({
    image_processor_type: z.enum(processors).nullish(),
    min_pixels: count(limits.pixels).nullish(),
    max_pixels: z.int().positive().nullish(),
    size: z
      .object({
        shortest_edge: count(limits.pixels).nullish(),
        longest_edge: z.int().positive().nullish(),
      })
      .nullish()
      .transform((size) => size ?? { shortest_edge: minPixels, longest_edge: maxPixels }),
    patch_size: orDefault(z.int(), patchSize),
    temporal_patch_size: orDefault(z.int(), 2),
    merge_size: orDefault(z.int(), mergeSize),
    do_resize: orDefault(z.literal(true), true),
    do_rescale: orDefault(z.boolean(), true),
    do_normalize: orDefault(z.boolean(), true),
    /** Pillow's number for bicubic. */
    resample: orDefault(z.literal(3), 3),
    rescale_factor: orDefault(z.number(), 1 / 255),
    image_mean: orDefault(three, [...mean]),
    image_std: orDefault(z.tuple([deviation, deviation, deviation]), [...std]),
  });

type Settings = z.infer<ReturnType<typeof processorSchema>>;

/** The settings of a checkpoint's image processor, with the family's defaults, as preprocessor_config.json has them. */
export interface ImageSettings extends Omit<Settings, "size" | "image_processor_type"> {
  readonly min_pixels: number;
  readonly max_pixels: number;
}

/**
 * The image processor described by a checkpoint's processor_config.json (its `image_processor`) or, if that is missing,
 * preprocessor_config.json, as in transformers.
 * @throws ConfigError for settings that the family's network cannot represent
 */
export async function loadImageProcessor(
  dir: string,
  architecture: Pick<Architecture, "config" | "preprocessing">,
): Promise<ImageProcessor> {
  const { config } = architecture;
  const settings = await loadImageSettings(dir, architecture);
  const { min_pixels: minPixels, max_pixels: maxPixels } = settings;
  const factor = config.vision.patchSize * config.vision.spatialMergeSize;
  const tables = [0, 1, 2].map((c) => normalised(settings, c));
  const target = ({ height, width }: Pick<RawImage, "width" | "height">, name?: string) =>
    smartResize(height, width, factor, minPixels, maxPixels, name);
  return {
    process(image, name) {
      const { height, width } = target(image, name);
      return patchify(resizeBicubic(image, width, height), tables, config);
    },
    gridOf(size, name) {
      const { height, width } = target(size, name);
      return [1, height / config.vision.patchSize, width / config.vision.patchSize];
    },
  };
}

/** @throws ConfigError for settings that the family's network cannot represent */
export async function loadImageSettings(
  dir: string,
  { config, preprocessing }: Pick<Architecture, "config" | "preprocessing">,
): Promise<ImageSettings> {
  const { path, json } = await readSettings(dir);
  const { size, image_processor_type: _, ...settings } = check(processorSchema(preprocessing), json, path);
  const sizes = [
    ["patch_size", settings.patch_size, config.vision.patchSize],
    ["temporal_patch_size", settings.temporal_patch_size, config.vision.temporalPatchSize],
    ["merge_size", settings.merge_size, config.vision.spatialMergeSize],
  ] as const;
  for (const [key, found, expected] of sizes)
    if (found !== expected)
      throw new ConfigError(`${path}: ${key}: expected ${expected}, as in config.json, got ${found}`);
  const minPixels = settings.min_pixels ?? size.shortest_edge;
  const maxPixels = settings.max_pixels ?? size.longest_edge;
  if (minPixels == null || maxPixels == null)
    throw new ConfigError(
      `${path}: size: expected shortest_edge and longest_edge, or min_pixels and max_pixels, got ${JSON.stringify(size)}`,
    );
  return { ...settings, min_pixels: minPixels, max_pixels: maxPixels };
}

/**
 * The normalised value of every byte in one channel, rounded to float32 wherever torchvision rounds. With both
 * rescaling and normalisation, the rescaling is folded into mean and deviation.
 */
function normalised(settings: ImageSettings, channel: number): Float32Array {
  const { fround } = Math;
  const { do_rescale, do_normalize, rescale_factor, image_mean, image_std } = settings;
  const scale = do_rescale ? fround(1 / rescale_factor) : 1;
  const [mean, deviation] = [image_mean[channel]!, image_std[channel]!].map((x) => fround(fround(x) * scale));
  return Float32Array.from({ length: 256 }, (_, byte) => {
    if (do_normalize) return fround(byte - mean!) / deviation!;
    return do_rescale ? byte * fround(rescale_factor) : byte;
  });
}

/**
 * The size an image is resized to: multiples of `factor`, area within the limits, aspect kept as well as that allows.
 * Rounds halves to even, as Python does: 70 × 70 becomes 56 × 56.
 * @param name of the image, for the error
 * @throws DataError for an image with sides beyond a ratio of 200
 * @example
 * smartResize(480, 640, 28, 56 * 56, 512 * 512); // { height: 420, width: 588 }
 */
export function smartResize(
  height: number,
  width: number,
  factor: number,
  minPixels: number,
  maxPixels: number,
  name = "image",
): { height: number; width: number } {
  if (Math.max(height, width) / Math.min(height, width) > 200)
    throw new DataError(`${name}: expected sides within a ratio of 200, got ${width}×${height}`);
  const nearest = { height: roundHalfEven(height / factor) * factor, width: roundHalfEven(width / factor) * factor };
  const area = nearest.height * nearest.width;
  if (area > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    const shrink = (side: number) => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return { height: shrink(height), width: shrink(width) };
  }
  if (area < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    const grow = (side: number) => Math.ceil((side * beta) / factor) * factor;
    return { height: grow(height), width: grow(width) };
  }
  return nearest;
}

function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

function patchify(
  { width, height, data }: RawImage,
  tables: readonly Float32Array[],
  { vision }: VlmConfig,
): ProcessedImage {
  const { patchSize: size, temporalPatchSize: frames, inChannels: channels } = vision;
  const [rows, columns] = [height / size, width / size];
  const area = size * size;
  const patchLength = channels * frames * area;
  const pixelValues = new Float32Array(rows * columns * patchLength);
  patchOrder(rows, columns, vision.spatialMergeSize).forEach(([row, column], p) => {
    for (let c = 0; c < channels; c++) {
      const table = tables[c]!;
      const at = p * patchLength + c * frames * area;
      for (let y = 0; y < size; y++) {
        let pixel = ((row * size + y) * width + column * size) * 3 + c;
        for (let x = 0; x < size; x++, pixel += 3) pixelValues[at + y * size + x] = table[data[pixel]!]!;
      }
      // A still image counts as a film of equal frames.
      for (let f = 1; f < frames; f++) pixelValues.copyWithin(at + f * area, at, at + area);
    }
  });
  return { grid: [1, rows, columns], pixelValues };
}

async function readSettings(dir: string): Promise<{ path: string; json: unknown }> {
  const [own, whole] = [join(dir, "preprocessor_config.json"), join(dir, "processor_config.json")];
  const ofAll = (await exists(whole)) ? ((await readJson(whole)) as { image_processor?: unknown }) : undefined;
  if (ofAll?.image_processor) return { path: whole, json: ofAll.image_processor };
  if (await exists(own)) return { path: own, json: await readJson(own) };
  if (ofAll) return { path: whole, json: ofAll };
  throw new DataError(
    `${dir}: expected preprocessor_config.json or processor_config.json, got neither; training does not change it: copy the one of the model that was trained`,
  );
}
