import { BackendError, TrainingError } from "../errors";
import { grpoAdvantages } from "../grpo/advantage";
import { grpoLoss } from "../grpo/loss";
import type { GrpoSettings } from "../grpo/presets";
import type { Trainer } from "../trainers/trainer";
import { backpropagate } from "./backpropagate";
import type { Sampled } from "./sample-rollouts";

export interface GrpoStepOptions {
  readonly groupSize: number;
  readonly grpo: GrpoSettings;
  readonly learningRate: number;
  /** Which pieces of a rollout carry loss: the last, or all. */
  readonly credit: "all" | "last";
  readonly microBatch?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * One GRPO update on freshly sampled rollouts.
 *
 * A rollout is one row of the loss, whose tokens are those of its pieces joined: π(R, Â | I, A) = π(R | I, A) · π(Â | I, R). It is the
 * first and only update on these rollouts, so the sampler's log-probs are those of the policy (ratio 1) and the gradient is known
 * before the forward pass. Where no rollout is better than another there is nothing to learn, and the weights stay as they are.
 *
 * @param sampled whole groups of `groupSize` consecutive rollouts
 * @throws TrainingError when the loss or the gradient is not finite
 * Source: RISE, Eqs. 7 and 10.
 */
export async function grpoStep<R>(trainer: Trainer, sampled: readonly Sampled<R>[], options: GrpoStepOptions) {
  const { groupSize, grpo, learningRate, credit, microBatch, signal } = options;
  const { advantages, metrics } = grpoAdvantages(
    sampled.map(({ reward: { reward, terms } }) => terms?.map(({ value }) => value) ?? [reward]),
    { ...weightsOf(sampled), ...grpo.advantages, groupSize },
  );
  const rows = sampled.map(({ segments }) => (credit === "all" ? segments : segments.slice(-1)).map(withTokens));
  const pieces = rows.flat();
  const assumedLogProbs = pieces.map(({ logProbs }) => logProbs);
  const oldLogProbs = joinRows(rows, assumedLogProbs);
  const lossOf = (logProbs: readonly Float64Array[]) => grpoLoss({ logProbs, oldLogProbs, advantages }, grpo.loss);

  const gradient = splitRows(rows, lossOf(oldLogProbs).gradient);
  const passed = await backpropagate(trainer, pieces, gradient, { assumedLogProbs, microBatch, signal });
  const { loss, metrics: clipping } = lossOf(joinRows(rows, passed.logProbs));
  checkFinite("loss", loss);
  const { gradNorm } = passed.isZero ? { gradNorm: 0 } : await trainer.optimStep({ learningRate });
  checkFinite("gradient norm", gradNorm);
  return {
    advantages,
    metrics: {
      ...metrics,
      ...clipping,
      loss,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      entropy: -mean(oldLogProbs.flatMap((row) => [...row])),
      "rise/advantage_mean_abs": mean([...advantages].map(Math.abs)),
    },
  };
}

function checkFinite(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new TrainingError(`grpoStep: expected a finite ${name}, got ${value}`);
}

/** Every completion of a step was judged by the same reward, so the first one's weights are everybody's. */
const weightsOf = ([first]: readonly Sampled<unknown>[]) =>
  first?.reward.terms && { weights: first.reward.terms.map(({ weight }) => weight) };

interface Piece {
  readonly prompt: Sampled<unknown>["segments"][number]["prompt"];
  readonly completion: readonly number[];
  readonly logProbs: Float64Array;
}

function withTokens({ prompt, completion }: Sampled<unknown>["segments"][number]): Piece {
  const { tokenIds, logProbs } = completion;
  if (!tokenIds || !logProbs || tokenIds.length !== logProbs.length) {
    throw new BackendError(
      `grpoStep: the trainer's sampler must give token ids and as many log-probs, got ${tokenIds?.length ?? "no"} and ${logProbs?.length ?? "no"}`,
    );
  }
  return { prompt, completion: tokenIds, logProbs: Float64Array.from(logProbs) };
}

/** One array for each row of the loss, out of one array for each piece. */
function joinRows(rows: readonly (readonly Piece[])[], pieces: readonly Float64Array[]): Float64Array[] {
  let next = 0;
  return rows.map((row) => Float64Array.from(row.flatMap(() => [...pieces[next++]!])));
}

/** The way back from `joinRows`. */
function splitRows(rows: readonly (readonly Piece[])[], joined: readonly Float64Array[]): Float64Array[] {
  return rows.flatMap((row, i) => {
    let start = 0;
    return row.map(({ completion }) => joined[i]!.slice(start, (start += completion.length)));
  });
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
