import { sftSamples } from "../cots/check";
import { ConfigError, TrainingError } from "../errors";
import { promptText } from "../prompts/prompt-text";
import { deriveSeed } from "../rng";
import type { RatedCot } from "../rollouts";
import { backpropagate } from "../runs/backpropagate";
import { shuffledBatch } from "../runs/examples/batches";
import { learningRateAt } from "../runs/learning-rate";
import type { Stage } from "../runs/stages";
import { update } from "../runs/updates";
import type { Segment, Trainer } from "../trainer";
import { needsOf, timed, tryTraining } from "./preflight";
import { type RiseR1Settings, rehearsedRows, type SftSettings } from "./rise-r1-options";

/** SFT on the kept cots. */
export function imitation<A>(
  settings: RiseR1Settings<A>,
  sft: SftSettings,
  kept: readonly RatedCot<A>[],
  trainer: Trainer,
): Stage<never> {
  const { seed, microBatch } = settings;
  const { batchSize, learningRate, lossType, steps, rehearsal, interpolation } = sft;
  const keepsAll = interpolation === 1;
  if (!keepsAll && !trainer.interpolate)
    throw new ConfigError(
      "riseR1: sft.interpolation: expected a trainer with the method interpolate, got one without; leave it out",
    );
  const others = (rehearsal?.rows ?? []).map(({ prompt, completion }, i) => ({
    exampleId: `rehearsal row ${i}`,
    prompt,
    completion: trainer.encode(completion),
  }));
  const rehearsed = rehearsedRows(sft);
  const samples = sftSamples(kept, settings).map(({ example, prompt, target }) => ({
    exampleId: example.id,
    prompt,
    completion: trainer.encode(target),
  }));
  return {
    name: "sft",
    steps,
    // More steps cannot follow weights that are interpolated.
    ...(keepsAll && { setting: "sft.steps" }),
    trains: true,
    async tryOut(signal) {
      const demands = [...samples, ...others].map((sample) => ({
        ...sample,
        completionTokens: sample.completion.length,
      }));
      const sizes = { backend: trainer.sampler(), trainer, prompts: batchSize, count: 1 };
      const { demand, ...needs } = await needsOf(demands, sizes);
      const longest = [...samples, ...others]
        .sort((a, b) => b.completion.length - a.completion.length)
        .slice(0, batchSize);
      const { seconds } = await timed(() => tryTraining(trainer, longest, { microBatch, signal }));
      const estimatedSeconds = seconds * steps;
      // The largest may be a rehearsed row, which is of no example.
      const { exampleId } = samples.find((sample) => sample.exampleId === demand.exampleId) ?? samples[0]!;
      return { report: { stage: "sft", exampleId, ...needs, estimatedSeconds }, sampled: [] };
    },
    async run(step, signal) {
      const batch = [
        ...shuffledBatch(samples, step, batchSize - rehearsed, deriveSeed(seed, "sft")),
        ...shuffledBatch(others, step, rehearsed, deriveSeed(seed, "sft", "rehearsal")),
      ];
      const options = { learningRate: learningRateAt(learningRate, step), lossType, microBatch, signal };
      const { metrics } = await supervisedStep(trainer, batch, options);
      if (!keepsAll && step === steps - 1) await trainer.interpolate!(interpolation);
      return { rollouts: [], prompts: { answer: promptText(samples[0]!.prompt) }, metrics };
    },
  };
}

export interface SupervisedStepOptions {
  readonly learningRate: number;
  /** Mean over samples of the sum over their tokens (Eq. 8), or the mean over all tokens. */
  readonly lossType: "sequence" | "token";
  readonly microBatch?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Makes one update towards given completions:
 *
 * sequence: L = −1/B · Σᵢ Σₜ log π(tᵢ)      token: L = −Σᵢ Σₜ log π(tᵢ) / Σᵢ Lᵢ
 *
 * The gradient is the same at any log-probs, so no forward pass is needed before it.
 *
 * @throws TrainingError when the loss or the gradient is not finite
 * Source: RISE, Eq. 8; the token mean is the usual practice.
 */
export async function supervisedStep(
  trainer: Trainer,
  segments: readonly Segment[],
  { learningRate, lossType, microBatch, signal }: SupervisedStepOptions,
) {
  const tokens = segments.reduce((sum, { completion }) => sum + completion.length, 0);
  const weight = 1 / (lossType === "sequence" ? segments.length : tokens);
  const gradient = segments.map(({ completion }) => new Float64Array(completion.length).fill(-weight));
  const { logProbs } = await backpropagate(trainer, segments, gradient, { microBatch, signal });
  const logLikelihood = logProbs.reduce((sum, row) => row?.reduce((rowSum, value) => rowSum + value, sum) ?? sum, 0);
  const { gradNorm } = await update(trainer, { learningRate });
  const metrics = {
    loss: -weight * logLikelihood,
    "rise/token_log_prob": logLikelihood / tokens,
    grad_norm: gradNorm,
    learning_rate: learningRate,
  };
  for (const [name, value] of Object.entries(metrics))
    if (!Number.isFinite(value)) throw new TrainingError(`supervisedStep: expected a finite ${name}, got ${value}`);
  return { tokens, metrics };
}
