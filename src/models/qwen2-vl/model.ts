import { DataError } from "../../errors";
import type { ImageSource, Prompt } from "../../types";
import { type ModelRow, mergedTokens } from "./batch";
import { exists, loadConfig, type Qwen2VlConfig } from "./config";
import { loadImage } from "./image";
import { loadImageProcessor, type ProcessedImage } from "./image-processor";
import { loadTokenizer, type Qwen2VlTokenizer } from "./tokenizer";
import { type Checkpoint, openCheckpoint } from "./weights";

/** A checkpoint directory, opened: everything about a model but where its weights stand in training. */
export interface Qwen2Vl {
  readonly dir: string;
  readonly config: Qwen2VlConfig;
  readonly tokenizer: Qwen2VlTokenizer;
  readonly checkpoint: Checkpoint;
  /** Token ids and pictures of a prompt. */
  encodePrompt(prompt: Prompt): Promise<ModelRow>;
}

/** The paper's model, where its files lie in a folder of that name. */
export const defaultModel = "Qwen/Qwen2-VL-2B-Instruct";

/**
 * Opens a Hugging Face directory of a Qwen2-VL checkpoint.
 * @throws ConfigError or DataError naming the file and what is wrong with it
 */
export async function openQwen2Vl(dir: string): Promise<Qwen2Vl> {
  if (!(await exists(dir)))
    throw new DataError(
      `${dir}: expected a directory with a Qwen2-VL checkpoint, found none. To get one: hf download ${defaultModel} --local-dir ${dir}`,
    );
  const config = await loadConfig(dir);
  const checkpoint = await openCheckpoint(dir, config);
  const tokenizer = await loadTokenizer(dir, config);
  const process = await loadImageProcessor(dir, config);
  const picture = imageCache(async (source) => process(await loadImage(source)));
  return {
    dir,
    config,
    tokenizer,
    checkpoint,
    async encodePrompt(prompt) {
      const sources = prompt.flatMap(({ content }) =>
        content.flatMap((part) => (part.type === "image" ? [part.image] : [])),
      );
      const images = await Promise.all(sources.map(picture));
      const counts = images.map(({ grid }) => mergedTokens(grid, config));
      return { tokens: tokenizer.encodePrompt(prompt, counts), images };
    },
  };
}

const rememberedPaths = 256;

/** A picture is decoded once: in-memory sources as long as they live, files among the last few hundred. */
function imageCache(
  load: (source: ImageSource) => Promise<ProcessedImage>,
): (source: ImageSource) => Promise<ProcessedImage> {
  const objects = new WeakMap<object, Promise<ProcessedImage>>();
  const paths = new Map<string, Promise<ProcessedImage>>();
  return (source) => {
    const known = typeof source === "string" ? paths.get(source) : objects.get(source);
    if (known) return known;
    const loading = load(source);
    if (typeof source !== "string") objects.set(source, loading);
    else {
      paths.set(source, loading);
      // A file that was missing may be there next time.
      loading.catch(() => paths.delete(source));
      if (paths.size > rememberedPaths) paths.delete(paths.keys().next().value!);
    }
    return loading;
  };
}
