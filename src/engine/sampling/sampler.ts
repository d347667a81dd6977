import type { GenerateOptions, VlmBackend } from "../../backend";
import { DataError } from "../../errors";
import type { Checkpoint } from "../../models/checkpoint/weights";
import type { ProcessedImage } from "../../models/inputs/image-processor";
import type { VisionLanguageModel } from "../../models/open-model";
import { visionShape } from "../../models/parts/vision-inputs";
import type { Graph } from "../../onnx/graph/graph";
import { createSession, type Placement, type Tensor } from "../../onnx/runtime/session";
import { sessionCache } from "../../onnx/runtime/session-cache";
import type { Completion, Workload } from "../../types";
import { groupImages, type ImageGroups, type ModelRow, roundUp, visionFeeds } from "../batch";
import { modelDigest } from "../checkpoint/model-digest";
import { continuationGraph, generationGraph, promptStep, type RowsShape } from "../graphs/generation";
import { picturesAtOnce, visionGraph } from "../graphs/vision";
import { checkMemory } from "../memory/estimate";
import { bindWeights, digestOf, type Policy, trainsVision, weightFeeds } from "../policy";
import { compiledAtOnce, weightStorage } from "../weight-storage";
import { type Generated, type GenerationRow, generationFeeds, type SamplingOptions, samplingOf } from "./generate";
import { createPace, type GenerationGraphs, generateInStretches } from "./interruptible";
import { checkedSampling } from "./options";

export interface SamplerOptions extends Placement {
  /** Completions that are generated side by side. */
  readonly rowsAtOnce: number;
  /** The language model's frozen weights in reduced precision, instead of the policy's. */
  readonly rounded?: Checkpoint | undefined;
}

/** Vision features of pictures, and text from prompts, under a policy's present weights. */
export interface Sampler extends VlmBackend {
  /** Concatenated features of every picture of `groups`, [rows, featureCount · hiddenSize]. */
  features(groups: ImageGroups): Promise<Tensor<Float32Array>>;
  /** Forgets features that were computed with older weights of the vision tower. */
  weightsChanged(): void;
}

export function createSampler(
  model: VisionLanguageModel,
  policy: Policy,
  { rowsAtOnce, rounded, ...placement }: SamplerOptions,
): Sampler {
  const { architecture, config, tokenizer } = model;
  // On the CPU, a large tower is given back once its pictures are features: its weights would stay in memory beside the language model's.
  const isGivenBack = placement.provider !== "cuda" && weightStorage(policy).weightsStayInFiles;
  const visionSessions = sessionCache(isGivenBack ? 0 : compiledAtOnce(policy, placement, "vision"));
  const sampled: Policy = rounded ? { ...policy, checkpoint: rounded } : policy;
  const sessions = sessionCache(compiledAtOnce(sampled, placement, "language"));
  // Weights that stay in their files are converted anew for every stretch.
  const pace = createPace(weightStorage(sampled).weightsStayInFiles ? 64 : 8);
  let known = new WeakMap<ProcessedImage, Float32Array>();

  /** Pictures of one grid go through the tower `picturesAtOnce` at a time. */
  async function encode(group: ImageGroups["groups"][number], signal?: AbortSignal): Promise<void> {
    const missing = [...new Set(group.images)].filter((image) => !known.has(image));
    for (let first = 0; first < missing.length; first += picturesAtOnce) {
      signal?.throwIfAborted();
      const images = missing.slice(first, first + picturesAtOnce);
      const feeds = visionFeeds({ grid: group.grid, images }, architecture);
      const compile = () => {
        const shape = visionShape(architecture, group.grid, images.length);
        const { graph, outputs } = visionGraph(architecture, shape, (g) => bindWeights(policy, g));
        return createSession(graph, outputs, { ...weightStorage(policy), ...placement });
      };
      const { features } = await visionSessions.run(
        `vision ${group.grid} ${images.length}`,
        compile,
        { ...weightFeeds(policy), ...feeds },
        Object.keys(feeds),
      );
      const data = features!.data as Float32Array;
      const each = data.length / images.length;
      for (const [i, image] of images.entries()) known.set(image, data.slice(i * each, (i + 1) * each));
    }
  }

  async function features(groups: ImageGroups, signal?: AbortSignal): Promise<Tensor<Float32Array>> {
    for (const group of groups.groups) await encode(group, signal);
    const width = architecture.featureCount * config.text.hiddenSize;
    const data = new Float32Array(groups.featureRows * width);
    for (const [image, row] of groups.offsets) data.set(known.get(image)!, row * width);
    return { data, shape: [groups.featureRows, width] };
  }

  async function generateBatch(
    prompts: readonly ModelRow[],
    rows: readonly GenerationRow[],
    sampling: SamplingOptions,
    { stop = [], signal }: Pick<GenerateOptions, "stop" | "signal">,
  ): Promise<Generated[]> {
    const groups = groupImages(prompts, architecture);
    const longest = Math.max(...prompts.map(({ tokens }) => tokens.length));
    const continuation: RowsShape = {
      rows: rows.length,
      sampling: samplingOf(sampling),
      penalised: sampling.repetitionPenalty !== 1,
    };
    const shape = {
      ...continuation,
      prompts: prompts.length,
      time: roundUp(longest, promptStep),
      featureRows: groups.featureRows,
    };
    const bind = (g: Graph) => bindWeights(sampled, g);
    const compile = ({ graph, outputs }: ReturnType<typeof generationGraph>) =>
      createSession(graph, outputs, { ...weightStorage(sampled), ...placement });
    const given = { ...weightFeeds(policy), features: await features(groups, signal) };
    const graphs: GenerationGraphs = {
      begin(feeds, resumable) {
        const begun = { ...shape, resumable };
        const create = () => compile(generationGraph(architecture, begun, bind));
        return sessions.run(`generate ${JSON.stringify(begun)}`, create, { ...given, ...feeds });
      },
      goOn(state, feeds) {
        const create = () => compile(continuationGraph(architecture, continuation, bind));
        const all = { ...weightFeeds(policy), ...state, ...feeds };
        return sessions.run(`continue ${JSON.stringify(continuation)}`, create, all, Object.keys(state));
      },
    };
    return generateInStretches(
      config,
      graphs,
      generationFeeds(architecture, { ...shape, resumable: true }, prompts, rows, groups, sampling),
      {
        ...{ rows: rows.length, maxTokens: sampling.maxTokens, signal, pace },
        isEnough: stop.length > 0 ? (tokens) => firstStop(tokenizer.decode(tokens), stop) !== undefined : undefined,
      },
    );
  }

  let digest: Promise<string> | undefined;
  return {
    name: `onnx ${model.name}`,
    capabilities: { logProbs: true, reproducible: true },
    modelDigest: () => (digest ??= modelDigest(model, sampled)),
    ...(policy.trainable.size > 0 && { weightsDigest: () => digestOf(policy) }),
    features,
    weightsChanged() {
      if (trainsVision(policy)) known = new WeakMap();
    },

    async generate(prompts, options) {
      const sampling = checkedSampling(options);
      const { count = 1, stop = [], signal } = options;
      const encoded = await Promise.all(prompts.map(model.encodePrompt));
      encoded.forEach(({ tokens }, p) => {
        if (tokens.length + sampling.maxTokens > config.text.contextLength)
          throw new DataError(
            `generate, prompt ${p}: expected its tokens and maxTokens to fit the model's context of ${config.text.contextLength}, got ${tokens.length} and ${sampling.maxTokens}`,
          );
      });
      const results: Completion[][] = prompts.map(() => []);
      for (const batch of planBatches(encoded, count, rowsAtOnce)) {
        signal?.throwIfAborted();
        const generated = await generateBatch(
          batch.prompts.map((p) => encoded[p]!),
          batch.rows,
          sampling,
          { stop, ...(signal && { signal }) },
        );
        const texts = tokenizer.decodeAll(generated.map(({ tokens }) => tokens));
        batch.rows.forEach(({ seedPath: [p, k] }, r) => {
          results[p]![k] = toCompletion(generated[r]!, texts[r]!, tokenizer.decode, stop);
        });
      }
      return results;
    },

    async countTokens(prompts) {
      const tokens: number[] = [];
      // A few files at a time.
      for (let first = 0; first < prompts.length; first += picturesAtOnce)
        tokens.push(...(await Promise.all(prompts.slice(first, first + picturesAtOnce).map(model.countTokens))));
      return { tokens, limit: config.text.contextLength };
    },
    checkImage: model.checkImage,
    // A GPU's memory is not known here.
    ...(placement.provider === "cpu" && {
      checkMemory: (work: Workload) =>
        checkMemory(model, policy, work, { sampled, sampledAtOnce: rowsAtOnce }, [
          ...(rowsAtOnce > 1 ? [`fewer than ${rowsAtOnce} rows at once`] : []),
          ...["shorter completions", "smaller pictures"],
        ]),
    }),

    async dispose() {
      await sessions.dispose();
      await visionSessions.dispose();
    },
  };
}

/** Prompts in order of length, so that little is padding; a prompt's completions share its prefill while they fit one batch. */
function planBatches(encoded: readonly ModelRow[], count: number, rowsAtOnce: number) {
  const rows = encoded
    .map((row, p) => ({ p, length: row.tokens.length }))
    .sort((a, b) => a.length - b.length || a.p - b.p)
    .flatMap(({ p }) => Array.from({ length: count }, (_, k) => [p, k] as const));
  const batches: { prompts: number[]; rows: GenerationRow[] }[] = [];
  for (let first = 0; first < rows.length; first += rowsAtOnce) {
    const some = rows.slice(first, first + rowsAtOnce);
    const prompts = [...new Set(some.map(([p]) => p))];
    batches.push({ prompts, rows: some.map((seedPath) => ({ prompt: prompts.indexOf(seedPath[0]), seedPath })) });
  }
  return batches;
}

/** Where the first of the stop texts begins. */
function firstStop(text: string, stop: readonly string[]): number | undefined {
  const places = stop.map((each) => text.indexOf(each)).filter((at) => at >= 0);
  return places.length > 0 ? Math.min(...places) : undefined;
}

/** The most tokens whose text is at most `characters` long; text never shrinks as tokens come. */
function tokensWithin(
  characters: number,
  tokens: readonly number[],
  decode: (ids: readonly number[]) => string,
): number {
  let length = 0;
  let beyond = tokens.length + 1;
  while (length + 1 < beyond) {
    const middle = (length + beyond) >> 1;
    if (decode(tokens.slice(0, middle)).length <= characters) length = middle;
    else beyond = middle;
  }
  return length;
}

/** A stop text cuts the completion where it begins; tokens are kept as far as they spell nothing beyond it. */
function toCompletion(
  generated: Generated,
  text: string,
  decode: (ids: readonly number[]) => string,
  stop: readonly string[],
): Completion {
  const { tokens, logProbs, samplingLogProbs, temperedLogProbs } = generated;
  const cut = firstStop(text, stop);
  const length = cut === undefined ? tokens.length : tokensWithin(cut, tokens, decode);
  return {
    text: text.slice(0, cut),
    tokenIds: tokens.slice(0, length),
    logProbs: logProbs.slice(0, length),
    samplingLogProbs: samplingLogProbs.slice(0, length),
    ...(temperedLogProbs && { temperedLogProbs: temperedLogProbs.slice(0, length) }),
    finishReason: cut !== undefined || generated.ended ? "stop" : "length",
  };
}
