import { createHash } from "node:crypto";
import { checkSequences, checkShare } from "../engine/training/check-rows";
import { scoredRows } from "../engine/training/rows";
import { openModel, type VisionLanguageModel } from "../models/open-model";
import { number, readArgument } from "../options/spec";
import type { ScoringOptions, TokenRows, TrainSequence } from "../scoring";
import type { Trainer } from "../trainer";
import type { Prompt } from "../types";
import { checkRows, forwardBackwardOver } from "./forward-backward";
import { type Engine, openEngine } from "./workers/engine";
import { checkpointFiles } from "./workers/files";
import { type TorchSettings, type TorchTrainerOptions, torchSettings } from "./workers/options";
import { answeredRows, pack, sendPrompts, spreadRows, unpack } from "./workers/rows";
import { samplerOf } from "./workers/sampler";

export type { TorchOptimizerOptions, TorchTrainerOptions } from "./workers/options";

/**
 * Trains a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint with PyTorch, in one process for each GPU: python/rise_torch.py
 * answers this interface's calls. Numbers are those of `onnxTrainer` up to float32's rounding, and so are checkpoints.
 * A completion depends on its own seed, not on the number of processes or the batch, except where rounding tips a close
 * choice.
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
      readArgument("optimStep", "learningRate", learningRate, rate);
      await forgetIfStale(engine, gradient);
      const { gradNorm } = await ask("optim_step", { ...optimizerOf(settings, learningRate) });
      digest = hashOf(digest, learningRate, gradNorm);
      return { gradNorm: Number(gradNorm) };
    },
    async interpolate(share) {
      checkShare(share);
      await ask("interpolate", { share });
      digest = hashOf(digest, "interpolate", share);
      gradient.isStale = false;
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

const rate = number("a finite number of at least 0", (value) => value >= 0 && Number.isFinite(value));

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

interface ScoreArguments {
  readonly policy?: "current" | "reference";
  readonly gradient?: TokenRows;
  readonly entropyGradient?: TokenRows | undefined;
}

/** Sends sequences to the workers, for scores alone or for a gradient as well. */
function scorer({ config, tokenizer, resizedSize }: VisionLanguageModel, engine: Engine, rowsAtOnce: number) {
  return async (
    call: "logprobs" | "backward",
    sequences: readonly TrainSequence[],
    scoring: ScoringOptions,
    { policy = "current", gradient, entropyGradient }: ScoreArguments,
  ): Promise<Scores> => {
    checkSequences(sequences);
    const sent = await sendPrompts(
      { config, tokenizer, resizedSize },
      sequences.map(({ prompt }) => prompt),
    );
    // Images are the workers' work.
    const encodePrompt = async (prompt: Prompt) => {
      const { tokens } = sent.prompts[sent.numberOf(prompt)]!;
      return { tokens, images: [], promptLength: tokens.length };
    };
    await scoredRows({ config, encodePrompt }, sequences, scoring, policy);
    const rows = sequences.map(({ prompt, completion }, index) => ({
      index,
      prompt: sent.numberOf(prompt),
      completion,
      gradient: gradient ? pack(gradient[index]!) : "",
      entropyGradient: entropyGradient ? pack(entropyGradient[index]!) : "",
    }));
    const batches = spreadRows(rows, sent, { ...engine, rowsAtOnce, aligned: engine.isSharded });
    const { temperature = 1, signal } = scoring;
    const { prompts, images } = sent;
    const answer = await engine.ask(call, { prompts, images, batches, temperature, policy }, signal);
    const scores = answeredRows(call, answer, sequences.length);
    const logProbs = scores.map((row) => unpack(row.logProbs));
    checkRows(`torchTrainer, ${call}: log-probs`, logProbs, sequences);
    return { logProbs, entropies: scores.map((row) => unpack(row.entropies)) };
  };
}

function primitivesOf(
  model: VisionLanguageModel,
  engine: Engine,
  { rowsAtOnce }: TorchSettings,
  gradient: Gradient,
): Pick<Trainer, "logProbs" | "entropies" | "backward"> {
  const score = scorer(model, engine, rowsAtOnce);
  return {
    async logProbs(sequences, { policy = "current", ...scoring } = {}) {
      return (await score("logprobs", sequences, scoring, { policy })).logProbs;
    },
    async entropies(sequences, scoring = {}) {
      const { entropies } = await score("logprobs", sequences, scoring, {});
      checkRows("torchTrainer: entropies", entropies, sequences);
      return entropies;
    },
    async backward(sequences, cotangents, { entropyCotangents, ...scoring } = {}) {
      try {
        checkRows("cotangents", cotangents, sequences);
        if (entropyCotangents) checkRows("entropyCotangents", entropyCotangents, sequences);
        await forgetIfStale(engine, gradient);
        const args = { gradient: cotangents, entropyGradient: entropyCotangents };
        const { logProbs, entropies } = await score("backward", sequences, scoring, args);
        if (entropyCotangents) checkRows("torchTrainer: entropies", entropies, sequences);
        return { logProbs, ...(entropyCotangents && { entropies }) };
      } catch (error) {
        // The workers may have added to the gradient before the failure.
        gradient.isStale = true;
        throw error;
      }
    },
  };
}
