import { createHash } from "node:crypto";
import type { GenerateOptions, VlmBackend } from "../backend";
import { modelDigest } from "../engine/checkpoint/model-digest";
import { toCompletion } from "../engine/sampling/completions";
import { checkedSampling } from "../engine/sampling/options";
import { checkLengths, countTokens } from "../engine/sampling/sampler";
import { scoredRows } from "../engine/training/rows";
import { BackendError, NonFiniteError } from "../errors";
import { openModel, type VisionLanguageModel } from "../models/open-model";
import { notNegative, readArgument } from "../options/spec";
import { deriveSeed } from "../rng";
import type { ScoringOptions, TokenRows, TrainSequence } from "../scoring";
import type { Trainer } from "../trainer";
import type { Completion, Prompt } from "../types";
import { checkRows, forwardBackwardOver } from "./forward-backward";
import { type Engine, openEngine } from "./workers/engine";
import { checkpointFiles } from "./workers/files";
import { type TorchSettings, type TorchTrainerOptions, torchSettings } from "./workers/options";
import { pack, sendPrompts, spreadRows, unpack } from "./workers/rows";

export type { TorchOptimizerOptions, TorchTrainerOptions } from "./workers/options";

/**
 * Trains a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint with PyTorch, in one process for each GPU: python/rise_torch.py
 * answers this interface's calls. Numbers are those of `onnxTrainer` up to float32's rounding, and so are checkpoints.
 * A completion depends on its own seed, not on the number of processes or the batch.
 *
 * The processes listen on this machine's loopback, and end with this one. docs/scaling.md has the setup.
 * @throws ConfigError for options, or a Python without the packages, with the command that installs them; DataError for
 * an unusable checkpoint; EngineError, from every call, once a process has ended or hangs
 * @example
 * const trainer = await torchTrainer({ lora: { rank: 16 }, processes: 8, precision: "bfloat16" });
 */
export async function torchTrainer(options: TorchTrainerOptions = {}): Promise<Trainer> {
  const settings = torchSettings(options);
  const model = await openModel(settings.model, settings.onDownload, settings.maxImagePixels);
  const engine = await openEngine(model, settings);
  const { ask, lora } = engine;
  const files = checkpointFiles(model, engine.trainable, lora, ask);
  // Weights are known by where they came from, and by the steps since.
  let digest = hashOf("start", JSON.stringify(lora), settings.seed);
  const sampler = samplerOf(model, engine, settings, () => digest);
  const gradient = { isStale: false };
  const forget = () => {
    gradient.isStale = true;
  };
  const primitives = primitivesOf(model, engine, settings, gradient);
  return {
    sampler: () => sampler,
    encode: (text) => [...model.tokenizer.encode(text), model.config.tokens.eos[0]!],
    ...primitives,
    forwardBackward: forwardBackwardOver(primitives, forget),
    async optimStep({ learningRate }) {
      readArgument("optimStep", "learningRate", learningRate, notNegative());
      await forgetIfStale(engine, gradient);
      const { gradNorm } = await ask("optim_step", { ...optimizerOf(settings, learningRate) });
      digest = hashOf(digest, learningRate, gradNorm);
      return { gradNorm: Number(gradNorm) };
    },
    async save(dir) {
      await files.save(dir);
      digest = await files.digest(dir);
    },
    async load(dir) {
      await files.load(dir);
      digest = await files.digest(dir);
      gradient.isStale = false;
    },
    dispose: engine.close,
  };
}

const hashOf = (...parts: readonly unknown[]) => createHash("sha256").update(parts.join(" ")).digest("hex");

function optimizerOf({ optimizer }: TorchSettings, learningRate: number) {
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = optimizer;
  return { clipNorm, adamw: { lr: learningRate, betas: [beta1, beta2], eps: epsilon, weight_decay: weightDecay } };
}

/** Whether a gradient is left over from a pass that failed. The workers are told before they add to it. */
interface Gradient {
  isStale: boolean;
}

async function forgetIfStale({ ask }: Engine, gradient: Gradient): Promise<void> {
  if (gradient.isStale) await ask("forget");
  gradient.isStale = false;
}

type Scores = { readonly logProbs: readonly Float64Array[]; readonly entropies: readonly Float64Array[] };

function primitivesOf(
  model: VisionLanguageModel,
  engine: Engine,
  { rowsAtOnce }: TorchSettings,
  gradient: Gradient,
): Pick<Trainer, "logProbs" | "entropies" | "backward"> {
  const score = async (
    call: "logprobs" | "backward",
    sequences: readonly TrainSequence[],
    scoring: ScoringOptions,
    args: { readonly policy?: string; readonly gradient?: TokenRows; readonly entropyGradient?: TokenRows | undefined },
  ): Promise<Scores> => {
    // Images are the workers' work.
    const tokensOnly = {
      config: model.config,
      encodePrompt: async () => ({ tokens: [], images: [], promptLength: 0 }),
    };
    await scoredRows(tokensOnly, sequences, scoring);
    const sent = await sendPrompts(
      model,
      sequences.map(({ prompt }) => prompt),
    );
    const rows = sequences.map(({ prompt, completion }, index) => ({
      index,
      prompt: sent.numberOf(prompt),
      completion,
      gradient: args.gradient ? pack(args.gradient[index]!) : "",
      entropyGradient: args.entropyGradient ? pack(args.entropyGradient[index]!) : "",
    }));
    const batches = spreadRows(rows, sent, { ...engine, rowsAtOnce, aligned: engine.isSharded });
    const { temperature = 1, signal } = scoring;
    const { prompts, images } = sent;
    const answer = await engine.ask(call, { prompts, images, batches, temperature, policy: args.policy }, signal);
    const scores = answeredRows(call, answer, sequences.length);
    const found = {
      logProbs: scores.map((row) => unpack(row.logProbs)),
      entropies: scores.map((row) => unpack(row.entropies)),
    };
    checkRows("log-probs", found.logProbs, sequences);
    return found;
  };
  return {
    async logProbs(sequences, { policy = "current", ...scoring } = {}) {
      return (await score("logprobs", sequences, scoring, { policy })).logProbs;
    },
    async entropies(sequences, scoring = {}) {
      const { entropies } = await score("logprobs", sequences, scoring, { policy: "current" });
      checkRows("entropies", entropies, sequences);
      return entropies;
    },
    async backward(sequences, cotangents, { entropyCotangents, ...scoring } = {}) {
      try {
        checkRows("cotangents", cotangents, sequences);
        if (entropyCotangents) checkRows("entropyCotangents", entropyCotangents, sequences);
        await forgetIfStale(engine, gradient);
        const args = { gradient: cotangents, entropyGradient: entropyCotangents };
        const { logProbs, entropies } = await score("backward", sequences, scoring, args);
        if (entropyCotangents) checkRows("entropies", entropies, sequences);
        return { logProbs, ...(entropyCotangents && { entropies }) };
      } catch (error) {
        // The workers may have added to the gradient before the failure.
        gradient.isStale = true;
        throw error;
      }
    },
  };
}

/** @throws BackendError for an answer without a row for each that was sent */
function answeredRows(call: string, { rows }: Readonly<Record<string, unknown>>, count: number) {
  if (Array.isArray(rows) && rows.length >= count && rows.every((row) => typeof row === "object" && row !== null))
    return rows.slice(0, count) as Readonly<Record<string, unknown>>[];
  const got = Array.isArray(rows) ? rows.length : "none";
  throw new BackendError(`torchTrainer, ${call}: expected ${count} rows from the workers, got ${got}`, {
    scope: "backend",
  });
}

function samplerOf(
  model: VisionLanguageModel,
  engine: Engine,
  { sampledAtOnce }: TorchSettings,
  weightsDigest: () => string,
): VlmBackend {
  let digest: Promise<string> | undefined;
  const { config, checkpoint } = model;
  return {
    name: `torch ${model.name}`,
    capabilities: { logProbs: true, tokenIds: true, reproducible: true },
    weightsDigest,
    modelDigest: () => (digest ??= modelDigest(model, { checkpoint })),
    generate: (prompts, options) => generate(model, engine, sampledAtOnce, prompts, options),
    countTokens: async (prompts) => ({ tokens: await countTokens(model, prompts), limit: config.text.contextLength }),
    checkImage: model.checkImage,
    dispose: async () => {},
  };
}

async function generate(
  model: VisionLanguageModel,
  engine: Engine,
  rowsAtOnce: number,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<Completion[][]> {
  const { count, seed, topK, ...sampling } = checkedSampling(options);
  options.signal?.throwIfAborted();
  const sent = await sendPrompts(model, prompts);
  const numbers = prompts.map(sent.numberOf);
  checkLengths(
    numbers.map((number) => sent.prompts[number]!),
    sampling.maxTokens,
    model.config.text.contextLength,
  );
  const rows = numbers.flatMap((prompt, i) =>
    Array.from({ length: count }, (_, k) => ({
      index: i * count + k,
      prompt,
      completion: [],
      seed: deriveSeed(seed, "sample", i, k),
    })),
  );
  const batches = spreadRows(rows, sent, { ...engine, rowsAtOnce, aligned: false });
  const { eos, image, video, visionStart, visionEnd } = model.config.tokens;
  // As onnxTrainer's sampler: a completion has no places for images.
  const limits = {
    ends: eos,
    never: [image, video, visionStart, visionEnd],
    topK: Number.isFinite(topK) ? topK : null,
  };
  const body = { prompts: sent.prompts, images: sent.images, batches, ...sampling, ...limits };
  const answer = rows.length === 0 ? { rows } : await engine.ask("generate", body, options.signal);
  const isShaped = Number.isFinite(topK) || sampling.topP < 1 || sampling.repetitionPenalty !== 1;
  const found = answeredRows("generate", answer, rows.length).map((row, r) => readGenerated(row, r, isShaped));
  const texts = model.tokenizer.decodeAll(found.map(({ tokens }) => tokens));
  const { decode } = model.tokenizer;
  return prompts.map((_, i) =>
    Array.from({ length: count }, (_, k) => {
      const r = i * count + k;
      return toCompletion(found[r]!, texts[r]!, decode, sampling.stop);
    }),
  );
}

function readGenerated(row: Readonly<Record<string, unknown>>, r: number, isShaped: boolean) {
  const tokens = (Array.isArray(row.tokens) ? row.tokens : []).map(Number);
  const column = (name: string) => {
    const values = [...unpack(row[name])];
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new NonFiniteError(
        `generate: row ${r}, token ${bad}: expected a finite number in ${name}, got ${values[bad]}; are the weights finite?`,
      );
    return values;
  };
  return {
    tokens,
    ended: row.ended === true,
    logProbs: column("logProbs"),
    samplingLogProbs: column("samplingLogProbs"),
    ...(isShaped && { temperedLogProbs: column("temperedLogProbs") }),
  };
}
