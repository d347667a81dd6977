import type { VlmBackend } from "../backend";
import { checkedSampling } from "../engine/sampling/options";
import { concernsOnePrompt, DataError } from "../errors";
import { loadImage } from "../models/inputs/image";
import { type LoadOptions, loadSpec } from "../models/open-model";
import { given, object, readOptions, specOf, text } from "../options/spec";
import type { Completion } from "../types";
import { completer } from "./transformers-js/completions";
import { type Opened, openTransformersJs } from "./transformers-js/library";
import { promptEncoder } from "./transformers-js/prompts";

/** Options of `transformersJsBackend`. */
export interface TransformersJsBackendOptions extends Pick<LoadOptions, "maxImagePixels"> {
  /**
   * A folder that `exportTransformersJs` wrote, or another ONNX model for transformers.js; or a hub id, "owner/name" or
   * "owner/name@revision", which transformers.js downloads into its own cache.
   */
  readonly model: string;
  /** transformers.js' type of the numbers, for all files or by file, such as "q4" (the model's own). */
  readonly dtype?: string | Readonly<Record<string, string>>;
  /** transformers.js' device, for all files or by file, such as "cpu", "cuda" or "webgpu" (its own choice). */
  readonly device?: string | Readonly<Record<string, string>>;
  /** onnxruntime's session options (none). */
  readonly session?: Readonly<Record<string, unknown>>;
}

const isNameOrNames = (value: unknown) => typeof value === "string" || (typeof value === "object" && value !== null);

export const transformersJsBackendSpec = specOf<TransformersJsBackendOptions>()(() => ({
  model: text("the path of a folder, or a hub id").describe("An ONNX model for transformers.js: a folder, or a hub id"),
  dtype: given("a name, or names by file", isNameOrNames)
    .optional()
    .describe("transformers.js' type of the numbers; the model's own without it"),
  device: given("a name, or names by file", isNameOrNames)
    .optional()
    .describe("transformers.js' device; its own choice without it"),
  session: object().optional().describe("onnxruntime's session options"),
  maxImagePixels: loadSpec().maxImagePixels,
}));

/**
 * Runs a vision-language model of transformers.js: what `exportTransformersJs` writes, or SmolVLM, Gemma 3, LFM2-VL and
 * others that this library has no network for. It computes in the caller's thread, one row at a time, so `onnxBackend`
 * is several times faster where both can run a model.
 *
 * Sampling, log-probs and seeds are those of `onnxBackend`; transformers.js only computes logits. Its two faults with
 * Qwen2-VL, wrong positions after a prompt without images and two images taken for one, are worked round.
 * @throws ConfigError for a class of processor that is not supported, by name; DataError for a missing folder;
 * BackendError for what transformers.js refuses
 * @example
 * const backend = await transformersJsBackend({ model: "site/model" });
 * const [completions] = await backend.generate([prompt], { count: 4, seed: 0 });
 */
export async function transformersJsBackend(options: TransformersJsBackendOptions): Promise<VlmBackend> {
  const {
    model: name,
    maxImagePixels,
    ...how
  } = readOptions("transformersJsBackend", options, transformersJsBackendSpec);
  const opened = await openTransformersJs(name, how);
  const encode = promptEncoder(opened, maxImagePixels);
  const complete = completer(opened);
  const limit = contextOf(opened);
  return {
    name: `transformers.js ${name}`,
    versions: { "@huggingface/transformers": opened.library.env.version },
    capabilities: { logProbs: true, reproducible: true },
    async generate(prompts, asked) {
      const sampling = { ...checkedSampling(asked), signal: asked.signal };
      const groups: Completion[][] = [];
      for (const [i, prompt] of prompts.entries()) {
        asked.signal?.throwIfAborted();
        try {
          const inputs = await encode(prompt);
          const length = inputs.input_ids.dims[1]!;
          if (length + sampling.maxTokens > limit)
            throw new DataError(
              `generate, prompt ${i}: expected its tokens and maxTokens to fit the model's context of ${limit}, got ${length} and ${sampling.maxTokens}`,
            );
          groups.push(await complete(inputs, i, sampling));
        } catch (error) {
          if (asked.signal?.aborted || !asked.onPromptEnd || !concernsOnePrompt(error)) throw error;
          groups.push([]);
          await asked.onPromptEnd(i, error);
          continue;
        }
        await asked.onPromptEnd?.(i, groups[i]!);
      }
      return groups;
    },
    async countTokens(prompts) {
      const tokens: number[] = [];
      for (const prompt of prompts) tokens.push((await encode(prompt)).input_ids.dims[1]!);
      return { tokens, limit };
    },
    async checkImage(image) {
      await loadImage(image, maxImagePixels);
    },
    async dispose() {
      await opened.model.dispose();
    },
  };
}

/** The model's limit on tokens of a prompt and its completion. */
function contextOf({ model: { config } }: Opened): number {
  const text = Object(config.text_config) as Readonly<Record<string, unknown>>;
  const limit = config.max_position_embeddings ?? text.max_position_embeddings;
  return typeof limit === "number" ? limit : Number.POSITIVE_INFINITY;
}
