import { join } from "node:path";
import { createAdapter, type LoraConfig, loraOptions, type TrainableTensor } from "../engine/adapter";
import { readPolicy, savePolicy } from "../engine/checkpoint/policy-files";
import { roundedFor } from "../engine/checkpoint/quantized";
import { checkMemory } from "../engine/memory/estimate";
import { type Policy, referenceFeeds } from "../engine/policy";
import { checkPrecision, inHalf } from "../engine/precision";
import { createSampler } from "../engine/sampling/sampler";
import { createTrainingPass } from "../engine/training/pass";
import { CheckpointError, ConfigError, DataError, TrainingError } from "../errors";
import { sumsFile, sumsProblem } from "../files/checksums";
import type { Precision } from "../models/checkpoint/quantize";
import { exists } from "../models/files/directory";
import type { OnDownload } from "../models/hub/progress";
import type { Row } from "../models/inputs/row";
import { defaultModel, openModel, type VisionLanguageModel } from "../models/open-model";
import { type Device, placeOn } from "../onnx/runtime/device";
import { adamw, chain, clipByGlobalNorm, type GradientTransform, globalNorm } from "../optim";
import { gradientSum } from "../optim/gradient-sum";
import { sharedTensors } from "../optim/shared-tensors";
import { checkPositiveIntegers, divisors, isDivisor } from "../options/limits";
import { checkBooleans, checkMethods, checkNumber, checkOptions, checkSeed, type Names } from "../options/options";
import type { ScoringOptions, Trainer, TrainSequence } from "../trainer";
import type { Workload } from "../types";
import { checkRows, forwardBackwardOver } from "./forward-backward";
import { checkFinite, readOptimizer, saveOptimizer } from "./optimizer-files";

export interface OnnxTrainerOptions {
  /** A Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint: a Hugging Face directory, or a hub id, "owner/name" or "owner/name@revision" (`defaultModel`). */
  readonly model?: string;
  /** Train an adapter instead of every weight. */
  readonly lora?: LoraConfig;
  /** Chained onto the gradient before each step: clip to norm 1, then AdamW (β 0.9, 0.999; weight decay 0.1) by default. */
  readonly optimizer?: GradientTransform;
  /** Sequences in one backward pass (16): more is faster until memory is short. */
  readonly rowsAtOnce?: number;
  /**
   * Gradient checkpointing: a layer's insides are computed again on the way back instead of kept, a third more work for a fraction of the
   * memory. By default where keeping all of it would take more than half of the machine's memory, or the GPU's.
   */
  readonly gradientCheckpointing?: boolean;
  /** Completions sampled side by side (64). */
  readonly sampledAtOnce?: number;
  /**
   * Of products with frozen matrices, in training and sampling ("float32"). "half" is that of a checkpoint in bfloat16 or float16: half the memory. Needs
   * `lora`, and a GPU.
   */
  readonly precision?: "float32" | "half";
  /**
   * Of the frozen matrices that the sampler multiplies with ("float32": as they are): fewer bits are faster and take less memory, and completions
   * come from another distribution than the one that is trained. How far off it is, each step's metrics say. Needs `lora`, and the CPU.
   */
  readonly samplerPrecision?: Exclude<Precision, "half">;
  /** Of LoRA's initial matrices (0). */
  readonly seed?: number;
  /** Width times height of the largest image that is decoded (2^27, 134 million); a larger one is an error before it takes memory. */
  readonly maxImagePixels?: number;
  /** Told of every piece of a download (a display on stderr). */
  readonly onDownload?: OnDownload;
  /** What to run on ("auto": CUDA where it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator; all cores by default. */
  readonly threads?: number;
}

const names: Names<OnnxTrainerOptions> = {
  model: true,
  lora: loraOptions,
  optimizer: true,
  rowsAtOnce: true,
  gradientCheckpointing: true,
  sampledAtOnce: true,
  precision: true,
  samplerPrecision: true,
  seed: true,
  maxImagePixels: true,
  onDownload: true,
  device: true,
  threads: true,
};

/**
 * Trains a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint in this process.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected; BackendError for a device that
 * does not work, or a hub that cannot be reached
 */
export async function onnxTrainer(options: OnnxTrainerOptions = {}): Promise<Trainer> {
  checkOptions("onnxTrainer", options, names);
  const { model: name = defaultModel, rowsAtOnce = 16, sampledAtOnce = 64, device = "auto", threads } = options;
  const { gradientCheckpointing, precision = "float32", samplerPrecision = "float32", seed, maxImagePixels } = options;
  const { optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 })) } = options;
  for (const [option, value] of Object.entries({ precision, samplerPrecision }))
    if (value !== "float32" && !options.lora)
      throw new ConfigError(
        `onnxTrainer: ${option} "${value}" is for frozen weights, and without lora every weight is trained`,
      );
  checkPositiveIntegers("onnxTrainer", { rowsAtOnce, sampledAtOnce, maxImagePixels, threads });
  checkBooleans("onnxTrainer", { gradientCheckpointing });
  checkSeed("onnxTrainer", seed);
  checkMethods("optimizer to be a gradient transform, such as adamw()", optimizer, ["init", "update"]);
  const placement = await placeOn(device, threads);
  checkPrecision("precision", precision, ["float32", "half"], placement);
  checkPrecision("samplerPrecision", samplerPrecision, ["float32", "int8", "int4"], placement);
  const model = await openModel(name, options.onDownload, maxImagePixels);
  const policy = await createPolicy(model, options);
  const rounded = await roundedFor(model, samplerPrecision);
  const sampler = createSampler(model, policy, { rowsAtOnce: sampledAtOnce, rounded, ...placement });
  const pass = createTrainingPass(model, policy, {
    ...{ rowsAtOnce, features: sampler.features, ...placement },
    gradientCheckpointing,
  });
  const parameters = new Map([...policy.trainable].map(([name, { data }]) => [name, data]));
  const state = optimizer.init(parameters);
  const gradient = gradientSum(parameters);
  const primitives: Pick<Trainer, "logProbs" | "entropies" | "backward"> = {
    async logProbs(sequences, { policy: which = "current", ...scoring } = {}) {
      const rows = await scoredRows(model, sequences, scoring);
      const weights = which === "reference" ? await referenceFeeds(policy) : undefined;
      const logProbs = await pass.logProbs(rows, { ...scoring, weights });
      checkRows("log-probs", logProbs, sequences);
      return logProbs;
    },

    async entropies(sequences, scoring = {}) {
      const entropies = await pass.entropies(await scoredRows(model, sequences, scoring), scoring);
      checkRows("entropies", entropies, sequences);
      return entropies;
    },

    async backward(sequences, cotangents, { entropyCotangents, ...scoring } = {}) {
      try {
        checkRows("cotangents", cotangents, sequences);
        if (entropyCotangents) checkRows("entropyCotangents", entropyCotangents, sequences);
        const rows = await scoredRows(model, sequences, scoring);
        const scores = await pass.backward(rows, cotangents, gradient.add, { ...scoring, entropyCotangents });
        checkRows("log-probs", scores.logProbs, sequences);
        if (scores.entropies) checkRows("entropies", scores.entropies, sequences);
        gradient.passed();
        return scores;
      } catch (error) {
        // What half of a batch taught must not become a step.
        gradient.forget();
        throw error;
      }
    },
  };

  return {
    sampler: () => sampler,
    samplerDiffers: rounded !== undefined,
    encode: (text) => [...model.tokenizer.encode(text), model.config.tokens.eos[0]!],

    ...primitives,
    forwardBackward: forwardBackwardOver(primitives, gradient.forget),

    async optimStep({ learningRate }) {
      const gradNorm = gradient.finish();
      optimizer.update(gradient.gradients, state, parameters, { learningRate, gradNorm });
      gradient.forget();
      sampler.weightsChanged();
      return { gradNorm };
    },

    async save(dir) {
      if (!Number.isFinite(globalNorm(parameters)))
        throw new TrainingError(`save: expected finite weights; nothing was written to ${dir}`);
      await savePolicy(model, policy, dir);
      await saveOptimizer(dir, state);
    },

    async load(dir) {
      // Checkpoints of runs have digests; what others made has none.
      const problem = (await exists(join(dir, sumsFile))) ? await sumsProblem(dir) : undefined;
      if (problem !== undefined) throw new CheckpointError(problem);
      const weights = await readPolicy(policy, dir);
      checkFinite(dir, weights);
      const { tensors: moments, step } = await readOptimizer(dir, optimizer, () => optimizer.init(parameters));
      // From here on nothing can fail: a folder that cannot be used changes nothing.
      for (const [name, data] of weights) parameters.get(name)!.set(data);
      for (const [name, data] of moments) state.tensors.get(name)!.set(data);
      state.step = step;
      gradient.forget();
      sampler.weightsChanged();
    },

    ...(placement.provider === "cpu" && {
      checkMemory: (work: Workload) =>
        checkMemory(
          model,
          policy,
          work,
          {
            ...(rounded && { sampled: { ...policy, checkpoint: rounded } }),
            ...{ rowsAtOnce, sampledAtOnce, gradientCheckpointing },
          },
          [
            ...(rowsAtOnce > 1 ? [`rowsAtOnce below ${rowsAtOnce}`] : []),
            ...(sampledAtOnce > 1 ? [`sampledAtOnce below ${sampledAtOnce}`] : []),
            ...(gradientCheckpointing === false ? ["gradientCheckpointing"] : []),
            ...(policy.lora ? [] : ["lora"]),
            ...["shorter completions", "smaller pictures"],
          ],
        ),
    }),

    async dispose() {
      await sampler.dispose();
      await pass.dispose();
    },
  };
}

async function createPolicy(
  model: VisionLanguageModel,
  { lora, seed = 0, precision = "float32" }: OnnxTrainerOptions,
): Promise<Policy> {
  const { architecture, checkpoint } = model;
  if (lora) {
    const adapter = createAdapter(architecture, lora, seed);
    const trainable = await shared(adapter, async (name) => adapter.get(name)!.data);
    return { architecture, checkpoint, lora, trainable, halfProducts: inHalf(checkpoint, precision) };
  }
  return { architecture, checkpoint, trainable: await shared(checkpoint.tensors, checkpoint.read) };
}

/** Copies in memory that all threads see: the one that runs graphs copies them once more, and the optimiser's work on them in place. */
async function shared(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  read: (name: string) => Promise<Float32Array>,
): Promise<Map<string, TrainableTensor>> {
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const copies = sharedTensors([...tensors].map(([name, { shape }]) => [name, size(shape)] as const));
  for (const [name, copy] of copies) copy.set(await read(name));
  return new Map([...tensors].map(([name, { shape }]) => [name, { shape, data: copies.get(name)! }]));
}

/** @throws ConfigError for a temperature that logits cannot be divided by */
function scoredRows(
  model: VisionLanguageModel,
  sequences: readonly TrainSequence[],
  { temperature = 1, signal }: ScoringOptions,
): Promise<Row[]> {
  signal?.throwIfAborted();
  checkNumber("onnxTrainer", `a temperature ${divisors}`, temperature, isDivisor(temperature));
  return Promise.all(sequences.map((sequence, i) => scoredRow(model, sequence, i)));
}

async function scoredRow(model: VisionLanguageModel, { prompt, completion }: TrainSequence, i: number): Promise<Row> {
  const { vocabSize } = model.config.text;
  const bad = completion.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (bad >= 0)
    throw new DataError(
      `completion ${i}, token ${bad}: expected an id from 0 to ${vocabSize - 1}, got ${completion[bad]}`,
    );
  const { tokens, images } = await model.encodePrompt(prompt);
  return { tokens: [...tokens, ...completion], images, promptLength: tokens.length };
}
