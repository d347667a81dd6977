import { join } from "node:path";
import { createAdapter, type TrainableTensor } from "../engine/adapter";
import { readPolicy, savePolicy } from "../engine/checkpoint/policy-files";
import { roundedFor } from "../engine/checkpoint/quantized";
import { checkMemory } from "../engine/memory/estimate";
import { type Policy, referenceFeeds } from "../engine/policy";
import { checkPrecision, inHalf } from "../engine/precision";
import { createSampler } from "../engine/sampling/sampler";
import type { ScoredRow } from "../engine/shared-prefixes";
import { createTrainingPass } from "../engine/training/pass";
import { CheckpointError, DataError, TrainingError } from "../errors";
import { sumsFile, sumsProblem } from "../files/checksums";
import { exists } from "../models/files/directory";
import { openQwen2Vl, type Qwen2Vl } from "../models/open-model";
import { placeOn } from "../onnx/runtime/device";
import { globalNorm } from "../optim";
import { gradientSum } from "../optim/gradient-sum";
import { sharedTensors } from "../optim/shared-tensors";
import { divisor, readArgument } from "../options/spec";
import type { ScoringOptions, Trainer, TrainSequence } from "../trainer";
import type { Workload } from "../types";
import { checkRows, forwardBackwardOver } from "./forward-backward";
import { type OnnxTrainerOptions, type TrainerSettings, trainerSettings } from "./onnx-options";
import { checkFinite, readOptimizer, saveOptimizer } from "./optimizer-files";

export type { OnnxTrainerOptions } from "./onnx-options";

/**
 * Trains a Qwen2-VL checkpoint in this process.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected; BackendError for a device that
 * does not work, or a hub that cannot be reached
 */
export async function onnxTrainer(options: OnnxTrainerOptions = {}): Promise<Trainer> {
  const settings = trainerSettings(options);
  const { model: name, rowsAtOnce, sampledAtOnce, device, threads, optimizer } = settings;
  const { gradientCheckpointing, precision, samplerPrecision, maxImagePixels, onDownload } = settings;
  const placement = await placeOn(device, threads);
  checkPrecision("precision", precision, ["float32", "half"], placement);
  checkPrecision("samplerPrecision", samplerPrecision, ["float32", "int8", "int4"], placement);
  const model = await openQwen2Vl(name, onDownload, maxImagePixels);
  const policy = await createPolicy(model, settings);
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
  model: Qwen2Vl,
  { lora, seed, precision }: Pick<TrainerSettings, "lora" | "seed" | "precision">,
): Promise<Policy> {
  const { config, checkpoint } = model;
  if (lora) {
    const adapter = createAdapter(config, lora, seed);
    const trainable = await shared(adapter, async (name) => adapter.get(name)!.data);
    return { config, checkpoint, lora, trainable, halfProducts: inHalf(checkpoint, precision) };
  }
  return { config, checkpoint, trainable: await shared(checkpoint.tensors, checkpoint.read) };
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
  model: Qwen2Vl,
  sequences: readonly TrainSequence[],
  { temperature = 1, signal }: ScoringOptions,
): Promise<ScoredRow[]> {
  signal?.throwIfAborted();
  readArgument("onnxTrainer", "temperature", temperature, divisor());
  return Promise.all(sequences.map((sequence, i) => scoredRow(model, sequence, i)));
}

async function scoredRow(model: Qwen2Vl, { prompt, completion }: TrainSequence, i: number): Promise<ScoredRow> {
  const { vocabSize } = model.config.text;
  const bad = completion.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (bad >= 0)
    throw new DataError(
      `completion ${i}, token ${bad}: expected an id from 0 to ${vocabSize - 1}, got ${completion[bad]}`,
    );
  const { tokens, images } = await model.encodePrompt(prompt);
  return { tokens: [...tokens, ...completion], images, promptLength: tokens.length };
}
