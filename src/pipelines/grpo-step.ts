import { BackendError, ConfigError, TrainingError } from "../errors";
import { grpoAdvantages } from "../grpo/advantage";
import { grpoLoss } from "../grpo/loss";
import type { GrpoSettings } from "../grpo/presets";
import { checkOptions, type Names } from "../options";
import type { Trainer } from "../trainers/trainer";
import { backpropagate } from "./backpropagate";
import type { Sampled } from "./sample-rollouts";
import { update } from "./updates";

export interface GrpoStepOptions {
  readonly groupSize: number;
  readonly grpo: GrpoSettings;
  readonly learningRate: number;
  /** Which pieces of a rollout carry loss: the last, or all. */
  readonly credit: "all" | "last";
  /** At which the rollouts were sampled (1). The policy that learns is the one that was sampled, as in TRL. */
  readonly temperature?: number;
  readonly microBatch?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * One GRPO update on freshly sampled rollouts.
 *
 * A rollout is one row of the loss, whose tokens are those of its pieces joined: π(R, Â | I, A) = π(R | I, A) · π(Â | I, R). A piece that
 * several rollouts share, a cot with several reconstructions, is scored once and learns from the sum. It is the first and only update on
 * these rollouts, so π_old is the policy as it is, the ratio is 1, and the gradient is known before the forward pass; what the sampler
 * says of its own tokens is only compared. Where no rollout is better than another there is nothing to learn, and the weights stay.
 *
 * @param sampled whole groups of `groupSize` consecutive rollouts
 * @throws TrainingError when the loss or the gradient is not finite
 * Source: RISE, Eqs. 7 and 10.
 */
export async function grpoStep<R>(trainer: Trainer, sampled: readonly Sampled<R>[], options: GrpoStepOptions) {
  const { groupSize, grpo, learningRate, credit, temperature = 1, microBatch, signal } = options;
  const { advantages, metrics } = grpoAdvantages(
    sampled.map(({ reward: { reward, terms } }) => terms?.map(({ value }) => value) ?? [reward]),
    { ...weightsOf(sampled), ...grpo.advantages, groupSize },
  );
  const learned = sampled.map(({ segments }) => (credit === "all" ? segments : segments.slice(-1)));
  const segments = [...new Map(learned.flat().map((segment) => [segment.completion, segment])).values()];
  const pieces = segments.map((segment) => withTokens(segment, temperature));
  const place = new Map(segments.map(({ completion }, i) => [completion, i]));
  const rows = learned.map((row) => row.map(({ completion }) => place.get(completion)!));

  const toReference = (grpo.loss.klCoefficient ?? 0) !== 0;
  const scored = (policy: "current" | "reference") => trainer.logProbs(pieces, { policy, temperature, signal });
  // At ratio 1 only KL asks for the numbers themselves.
  const logProbs = joinRows(rows, toReference ? await scored("current") : pieces.map((piece) => piece.logProbs));
  const refLogProbs = toReference ? { refLogProbs: joinRows(rows, await scored("reference")) } : {};
  const loss = grpoLoss({ logProbs, oldLogProbs: logProbs, advantages, ...refLogProbs }, grpo.loss);
  checkFinite("loss", loss.loss);

  const gradient = splitRows(rows, pieces, loss.gradient);
  const passed = await backpropagate(trainer, pieces, gradient, { microBatch, temperature, signal });
  const isZero = passed.every((row) => row === undefined);
  const { gradNorm } = isZero ? { gradNorm: 0 } : await update(trainer, { learningRate });
  checkFinite("gradient norm", gradNorm);
  return {
    advantages,
    metrics: {
      ...metrics,
      ...loss.metrics,
      ...disagreement(pieces, passed),
      loss: loss.loss,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      entropy: -mean(pieces.flatMap((piece) => [...piece.logProbs])),
      "rise/advantage_mean_abs": mean([...advantages].map(Math.abs)),
    },
  };
}

/**
 * Tries settings on numbers, with what a step would have of them.
 * @throws ConfigError for settings that contradict each other, or need what a step does not have
 */
export function checkGrpo(
  name: string,
  grpo: GrpoSettings,
  { groupSize, groups }: { readonly groupSize: number; readonly groups: number },
): void {
  if (!grpo?.advantages || !grpo.loss)
    throw new ConfigError(
      `expected ${name} to be { advantages, loss }, such as grpoPresets.trl; got ${JSON.stringify(grpo)}`,
    );
  checkOptions(name, grpo, { advantages: true, loss: true } satisfies Names<GrpoSettings>);
  const { weights = [1] } = grpo.advantages;
  const rewards = Array.from({ length: groupSize * groups }, (_, i) => weights.map(() => i % 2));
  const { advantages } = grpoAdvantages(rewards, { ...grpo.advantages, groupSize });
  const logProbs = rewards.map(() => Float64Array.of(-1, -1));
  const reference = (grpo.loss.klCoefficient ?? 0) !== 0 && { refLogProbs: logProbs };
  grpoLoss({ logProbs, oldLogProbs: logProbs, advantages, ...reference }, grpo.loss);
}

/** How far the sampler's log-probs are from those that training sees: rounding, or the price of sampling in reduced precision. TRL's names. */
function disagreement(pieces: readonly Piece[], passed: readonly (Float64Array | undefined)[]): Record<string, number> {
  const differences = pieces.flatMap(({ logProbs }, i) =>
    [...(passed[i] ?? [])].map((value, t) => value - logProbs[t]!),
  );
  if (differences.length === 0) return {};
  const [sizes, ratios] = [differences.map(Math.abs), differences.map(Math.exp)];
  return {
    "sampling/sampling_logp_difference/mean": mean(sizes),
    "sampling/sampling_logp_difference/max": largest(sizes),
    "sampling/importance_sampling_ratio/min": -largest(ratios.map((ratio) => -ratio)),
    "sampling/importance_sampling_ratio/mean": mean(ratios),
    "sampling/importance_sampling_ratio/max": largest(ratios),
  };
}

function checkFinite(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new TrainingError(`grpoStep: expected a finite ${name}, got ${value}`);
}

/** Every completion of a step was judged by the same reward, so the first one's weights are everybody's. */
const weightsOf = ([first]: readonly Sampled<unknown>[]) =>
  first?.reward.terms && { weights: first.reward.terms.map(({ weight }) => weight) };

/** What a sampler wrote, as a trainer learns from it. */
export interface Piece {
  readonly prompt: Sampled<unknown>["segments"][number]["prompt"];
  readonly completion: readonly number[];
  readonly logProbs: Float64Array;
}

/** @throws BackendError for a completion without token ids or log-probs */
export function withTokens({ prompt, completion }: Sampled<unknown>["segments"][number], temperature: number): Piece {
  const { tokenIds, logProbs: raw, samplingLogProbs } = completion;
  const logProbs = temperature === 1 ? raw : samplingLogProbs;
  if (!tokenIds || !logProbs || tokenIds.length !== logProbs.length) {
    throw new BackendError(
      `grpoStep: the trainer's sampler must give token ids and as many log-probs, got ${tokenIds?.length ?? "no"} and ${logProbs?.length ?? "no"}`,
    );
  }
  return { prompt, completion: tokenIds, logProbs: Float64Array.from(logProbs) };
}

/** One array for each row of the loss, out of one array for each piece. */
const joinRows = (rows: readonly (readonly number[])[], pieces: readonly Float64Array[]): Float64Array[] =>
  rows.map((row) => Float64Array.from(row.flatMap((piece) => [...pieces[piece]!])));

/** The way back from `joinRows`, for gradients: each piece gets the sum over the rows it is in. */
function splitRows(
  rows: readonly (readonly number[])[],
  pieces: readonly Piece[],
  joined: readonly Float64Array[],
): Float64Array[] {
  const sums = pieces.map(({ completion }) => new Float64Array(completion.length));
  rows.forEach((row, i) => {
    let next = 0;
    for (const piece of row) for (let t = 0; t < sums[piece]!.length; t++) sums[piece]![t]! += joined[i]![next++]!;
  });
  return sums;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value));
