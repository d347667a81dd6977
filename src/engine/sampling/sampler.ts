import type { GenerateOptions, VlmBackend } from "../../backend";
import { DataError } from "../../errors";
import type { Checkpoint } from "../../models/checkpoint/weights";
import type { Row } from "../../models/inputs/row";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Placement, Tensor } from "../../onnx/runtime/session";
import type { Completion, Prompt, Workload } from "../../types";
import type { ImageGroups } from "../batch";
import { modelDigest } from "../checkpoint/model-digest";
import { checkMemory } from "../memory/estimate";
import { digestOf, type Policy, trainsVision } from "../policy";
import { planBatches, toCompletion } from "./completions";
import { createGenerator, type Generator } from "./generator";
import { createImageFeatures } from "./image-features";
import { checkedSampling } from "./options";

export interface SamplerOptions extends Placement {
  /** Completions that are generated side by side. */
  readonly rowsAtOnce: number;
  /** The language model's frozen weights in reduced precision, instead of the policy's. */
  readonly rounded?: Checkpoint | undefined;
}

/** Vision features of images, and completions of prompts, under a policy's current weights. */
export interface Sampler extends VlmBackend {
  /** Concatenated features of every image of `groups`, [rows, featureCount · hiddenSize]. */
  features(groups: ImageGroups): Promise<Tensor<Float32Array>>;
  /** Forgets features that were computed with older weights of the vision tower. */
  weightsChanged(): void;
}

export function createSampler(
  model: VisionLanguageModel,
  policy: Policy,
  { rowsAtOnce, rounded, ...placement }: SamplerOptions,
): Sampler {
  const sampled: Policy = rounded ? { ...policy, checkpoint: rounded } : policy;
  const features = createImageFeatures(policy, placement);
  const generator = createGenerator(model, sampled, features, placement);
  let digest: Promise<string> | undefined;
  return {
    name: `onnx ${model.name}`,
    capabilities: { logProbs: true, reproducible: true },
    modelDigest: () => (digest ??= modelDigest(model, sampled)),
    ...(policy.trainable.size > 0 && { weightsDigest: () => digestOf(policy) }),
    features: features.of,
    weightsChanged() {
      if (trainsVision(policy)) features.forget();
    },
    generate: (prompts, options) => generate(model, generator, rowsAtOnce, prompts, options),
    countTokens: async (prompts) => ({
      tokens: await countTokens(model, prompts),
      limit: model.config.text.contextLength,
    }),
    checkImage: model.checkImage,
    // A GPU's memory is unknown here.
    ...(placement.provider === "cpu" && {
      checkMemory: (work: Workload) =>
        checkMemory(model, policy, work, { sampled, sampledAtOnce: rowsAtOnce }, [
          ...(rowsAtOnce > 1 ? [`fewer than ${rowsAtOnce} rows at once`] : []),
          "shorter completions",
          "smaller images",
        ]),
    }),

    async dispose() {
      await generator.dispose();
      await features.dispose();
    },
  };
}

/** Completions of every prompt, a batch at a time. */
async function generate(
  { encodePrompt, config, tokenizer }: VisionLanguageModel,
  generator: Generator,
  rowsAtOnce: number,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<Completion[][]> {
  const sampling = checkedSampling(options);
  const { count = 1, stop = [], signal, onPromptEnd } = options;
  const encoded = await Promise.all(prompts.map(encodePrompt));
  checkLengths(encoded, sampling.maxTokens, config.text.contextLength);
  const results: Completion[][] = prompts.map(() => []);
  for (const { prompts: some, rows } of planBatches(encoded, count, rowsAtOnce)) {
    signal?.throwIfAborted();
    const promptRows = some.map((p) => encoded[p]!);
    const generated = await generator.generate(promptRows, rows, sampling, { stop, ...(signal && { signal }) });
    const texts = tokenizer.decodeAll(generated.map(({ tokens }) => tokens));
    rows.forEach(({ seedPath: [p, k] }, r) => {
      results[p]![k] = toCompletion(generated[r]!, texts[r]!, tokenizer.decode, stop);
    });
    for (const p of new Set(rows.map(({ seedPath: [prompt] }) => prompt)))
      if (Object.keys(results[p]!).length === count) await onPromptEnd?.(p, results[p]!);
  }
  return results;
}

/** @throws DataError for a prompt that leaves too little of the model's context */
function checkLengths(encoded: readonly Row[], maxTokens: number, contextLength: number): void {
  encoded.forEach(({ tokens }, p) => {
    if (tokens.length + maxTokens > contextLength)
      throw new DataError(
        `generate, prompt ${p}: expected its tokens and maxTokens to fit the model's context of ${contextLength}, got ${tokens.length} and ${maxTokens}`,
      );
  });
}

/** Prompts whose image files are open at the same time. */
const filesAtOnce = 16;

async function countTokens(model: VisionLanguageModel, prompts: readonly Prompt[]): Promise<number[]> {
  const tokens: number[] = [];
  for (let first = 0; first < prompts.length; first += filesAtOnce)
    tokens.push(...(await Promise.all(prompts.slice(first, first + filesAtOnce).map(model.countTokens))));
  return tokens;
}
