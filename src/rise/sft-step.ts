import { TrainingError } from "../errors";
import { backpropagate } from "../runs/backpropagate";
import { update } from "../runs/updates";
import type { Segment, Trainer } from "../trainer";

export interface SupervisedStepOptions {
  readonly learningRate: number;
  /** Mean over samples of the sum over their tokens (Eq. 8), or the mean over all tokens. */
  readonly lossType: "sequence" | "token";
  readonly microBatch?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * One update towards given completions:
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
