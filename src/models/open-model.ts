import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { ConfigError } from "../errors";
import { defaultMaxPixels, nameOf } from "../files/image";
import { shown } from "../options/display";
import { callback, count, specOf, text } from "../options/spec";
import { checkPrompt } from "../prompts/check-prompt";
import type { ImageSource, Prompt, RawImage } from "../types";
import { type Checkpoint, openCheckpoint } from "./checkpoint/weights";
import { loadArchitecture } from "./families";
import { weightsIn } from "./files/run-directory";
import type { OnDownload } from "./hub/progress";
import { resolveModel } from "./hub/resolve";
import { imageSize, isRaw, loadImage } from "./inputs/image";
import { loadImageProcessor, type ProcessedImage } from "./inputs/image-processor";
import type { Row } from "./inputs/row";
import { type ChatTokenizer, loadTokenizer } from "./inputs/tokenizer";
import type { Architecture } from "./parts/architecture";
import { mergedTokens, type VlmConfig } from "./parts/config";

/** An opened checkpoint: everything about a model except its weights' state in training. */
export interface VisionLanguageModel {
  /** The requested directory or hub id. */
  readonly name: string;
  readonly dir: string;
  /** Whether `dir` is the user's own folder, and not the hub's cache. */
  readonly isLocal: boolean;
  readonly config: VlmConfig;
  /** @internal */
  readonly architecture: Architecture;
  /** @internal */
  readonly tokenizer: ChatTokenizer;
  /** @internal */
  readonly checkpoint: Checkpoint;
  /** Token ids and images of a prompt. */
  encodePrompt(prompt: Prompt): Promise<Row>;
  /** The number of token ids; image headers are read, not their pixels. */
  countTokens(prompt: Prompt): Promise<number>;
  /**
   * An image's size in pixels for the vision tower, after resizing. Models that write boxes with `space: "pixel"`, such
   * as Qwen2.5-VL, measure them in it: `convertBox(box, "pixel", size)`.
   */
  resizedSize(source: ImageSource): Promise<Pick<RawImage, "width" | "height">>;
  /** Decodes an image and forgets it. @throws DataError for one that `encodePrompt` would refuse */
  checkImage(source: ImageSource): Promise<void>;
}

/** The paper's model. */
export const defaultModel = "Qwen/Qwen2-VL-2B-Instruct";

const modelWords = `the path of a directory, or a hub id such as "${defaultModel}"`;

export const modelOption = () => text(modelWords);

/** Options of loading a model and its images. */
export interface LoadOptions {
  /**
   * Width times height of the largest image that is decoded (2^27, 134 million); a larger one is an error before it
   * takes memory.
   */
  readonly maxImagePixels?: number;
  /** Called with a download's progress (a display on stderr). */
  readonly onDownload?: OnDownload;
}

export const loadSpec = specOf<LoadOptions>()(() => ({
  maxImagePixels: count()
    .optional()
    .describe("Width times height of the largest image that is decoded; 2^27 without it"),
  onDownload: callback().optional().describe("Told of every piece of a download; a display on stderr without it"),
}));

/**
 * Opens a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint: a Hugging Face directory, or a hub id, which is downloaded if
 * the cache lacks it.
 * @throws ConfigError or DataError naming the file and what is wrong with it; BackendError for a hub that cannot be
 * reached or refuses
 * @example
 * const { resizedSize } = await openModel("Qwen/Qwen2.5-VL-3B-Instruct");
 * console.log(await resizedSize("room.png")); // the pixels that the model sees
 */
export async function openModel(
  name: string,
  onDownload?: OnDownload,
  maxImagePixels = defaultMaxPixels,
): Promise<VisionLanguageModel> {
  if (typeof name !== "string") throw new ConfigError(`expected model to be ${modelWords}; got ${shown(name)}`);
  const path = await weightsIn(name);
  const dir = await resolveModel(path, { beforeWeights: loadArchitecture, onDownload });
  const architecture = await loadArchitecture(dir);
  const { config } = architecture;
  const checkpoint = await openCheckpoint(dir, architecture);
  const tokenizer = await loadTokenizer(dir, architecture);
  const { process, gridOf } = await loadImageProcessor(dir, architecture);
  const gridOfSource = async (source: ImageSource) => gridOf(await imageSize(source, maxImagePixels), nameOf(source));
  const picture = imageCache(async (source) => process(await loadImage(source, maxImagePixels), nameOf(source)));
  return {
    name,
    dir,
    isLocal: dir === path,
    architecture,
    config,
    tokenizer,
    checkpoint,
    async encodePrompt(prompt) {
      const images = await Promise.all(imagesOf(prompt).map(picture));
      const counts = images.map(({ grid }) => mergedTokens(grid, config));
      const tokens = tokenizer.encodePrompt(prompt, counts);
      return { tokens, images, promptLength: tokens.length };
    },
    async countTokens(prompt) {
      const grids = await Promise.all(imagesOf(prompt).map(gridOfSource));
      const counts = grids.map((grid) => mergedTokens(grid, config));
      return tokenizer.encodePrompt(prompt, counts).length;
    },
    async resizedSize(source) {
      const [, rows, columns] = await gridOfSource(source);
      const { patchSize } = config.vision;
      return { width: columns * patchSize, height: rows * patchSize };
    },
    async checkImage(source) {
      gridOf(await loadImage(source, maxImagePixels), nameOf(source));
    },
  };
}

/**
 * The images of a prompt, in its order.
 * @throws DataError unless `prompt` is a prompt
 */
export function imagesOf(prompt: Prompt): ImageSource[] {
  checkPrompt(prompt);
  return prompt.flatMap(({ content }) => content.flatMap((part) => (part.type === "image" ? [part.image] : [])));
}

const rememberedImages = 256;

/** Caches the last few hundred decoded images: files until they change, and images in memory by their bytes. */
function imageCache(
  load: (source: ImageSource) => Promise<ProcessedImage>,
): (source: ImageSource) => Promise<ProcessedImage> {
  const known = new Map<string, Promise<ProcessedImage>>();
  return async (source) => {
    const key = typeof source === "string" ? await versionOf(source) : digestOf(source);
    const before = known.get(key);
    if (before) return before;
    const loading = load(source);
    known.set(key, loading);
    // A missing file may exist next time.
    loading.catch(() => known.delete(key));
    if (known.size > rememberedImages) known.delete(known.keys().next().value!);
    return loading;
  };
}

/** A key of an image in memory: a caller may write the next one into the same array. */
function digestOf(source: Exclude<ImageSource, string>): string {
  const [size, bytes] = isRaw(source) ? [`${source.width}×${source.height}`, source.data] : ["file", source];
  return createHash("sha1").update(size).update(bytes).digest("hex");
}

/** A key of a path that changes when another file is put there. */
const versionOf = (path: string): Promise<string> =>
  stat(path).then(
    ({ mtimeMs, size }) => `${path} ${mtimeMs} ${size}`,
    () => path,
  );
