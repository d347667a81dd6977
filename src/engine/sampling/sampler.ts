import type { GenerateOptions, VlmBackend } from "../../backend";
import { BackendError, DataError } from "../../errors";
import type { Checkpoint } from "../../models/checkpoint/weights";
import type { Row } from "../../models/inputs/row";
import type { VisionLanguageModel } from "../../models/open-model";
import { runtimeVersion } from "../../onnx/runtime/installation";
import type { Placement, Tensor } from "../../onnx/runtime/session";
import { checkArguments, listKind } from "../../options/arguments";
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
  const name = `onnx ${model.name}`;
  let digest: Promise<string> | undefined;
  let isDisposed = false;
  return {
    name,
    versions: { "onnxruntime-node": runtimeVersion(), device: placement.provider ?? "cpu" },
    capabilities: { logProbs: true, reproducible: true },
    modelDigest: () => (digest ??= modelDigest(model, sampled)),
    ...(policy.trainable.size > 0 && { weightsDigest: () => digestOf(policy) }),
    features: features.of,
    weightsChanged() {
      if (trainsVision(policy)) features.forget();
    },
    async generate(prompts, options) {
      // Otherwise each call would compile the graphs again, unseen.
      if (isDisposed)
        throw new BackendError(`${name}: expected an open backend, got one after dispose(); make a new one`, {
          scope: "backend",
        });
      return generate(model, generator, rowsAtOnce, prompts, options);
    },
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
      isDisposed = true;
      await generator.dispose();
      await features.dispose();
    },
  };
}

/** Completions of every prompt, a batch at a time. */
async function generate(
  model: VisionLanguageModel,
  generator: Generator,
  rowsAtOnce: number,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<Completion[][]> {
  checkArguments("generate", { prompts }, { prompts: listKind() });
  const { count, stop, ...sampling } = checkedSampling(options);
  const { signal, onPromptEnd } = options;
  const results: Completion[][] = prompts.map(() => []);
  const { decodeAll, decode } = model.tokenizer;
  const atOnce = Math.max(rowsAtOnce, promptsAtOnce);
  for (let first = 0; first < prompts.length; first += atOnce) {
    signal?.throwIfAborted();
    const encoded = await encodeSome(model, prompts, [first, first + atOnce], sampling.maxTokens, onPromptEnd);
    for (const { prompts: some, rows } of planBatches(encoded, count, rowsAtOnce)) {
      signal?.throwIfAborted();
      const promptRows = some.map((p) => encoded[p]!);
      const generated = await generator.generate(promptRows, rows, sampling, { stop, ...(signal && { signal }) });
      const texts = decodeAll(generated.map(({ tokens }) => tokens));
      rows.forEach(({ seedPath: [p, k] }, r) => {
        results[p]![k] = toCompletion(generated[r]!, texts[r]!, decode, stop);
      });
      for (const p of some) if (results[p]!.filter(Boolean).length === count) await onPromptEnd?.(p, results[p]!);
    }
  }
  return results;
}

/** @throws DataError for a prompt that leaves too little of the model's context */
export function checkLength(
  { tokens }: Pick<Row, "tokens">,
  p: number,
  maxTokens: number,
  contextLength: number,
): void {
  if (tokens.length + maxTokens > contextLength)
    throw new DataError(
      `generate, prompt ${p}: expected its tokens and maxTokens to fit the model's context of ${contextLength}, got ${tokens.length} and ${maxTokens}`,
    );
}

/** Prompts that are encoded together: the images of thousands would not fit into memory. */
const promptsAtOnce = 64;

/**
 * Reads the images of the prompts from one index to another. If somebody listens, a prompt with an image that cannot be
 * read, or that is too long, fails alone.
 * @throws DataError for such a prompt otherwise
 */
async function encodeSome(
  { encodePrompt, config }: VisionLanguageModel,
  prompts: readonly Prompt[],
  [from, to]: readonly [from: number, to: number],
  maxTokens: number,
  onPromptEnd: GenerateOptions["onPromptEnd"],
): Promise<(Row | undefined)[]> {
  const rows: (Row | undefined)[] = [];
  const encode = async (prompt: Prompt, p: number) => {
    try {
      const row = await encodePrompt(prompt);
      checkLength(row, p, maxTokens, config.text.contextLength);
      rows[p] = row;
    } catch (error) {
      if (!onPromptEnd || !(error instanceof DataError)) throw error;
      await onPromptEnd(p, error);
    }
  };
  await Promise.all(prompts.slice(from, to).map((prompt, i) => encode(prompt, from + i)));
  return rows;
}

/** Prompts whose image files are open at the same time. */
const filesAtOnce = 16;

export async function countTokens(
  model: Pick<VisionLanguageModel, "countTokens">,
  prompts: readonly Prompt[],
): Promise<number[]> {
  const tokens: number[] = [];
  for (let first = 0; first < prompts.length; first += filesAtOnce)
    tokens.push(...(await Promise.all(prompts.slice(first, first + filesAtOnce).map(model.countTokens))));
  return tokens;
}
