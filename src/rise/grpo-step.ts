import { BackendError, ConfigError, TrainingError } from "../errors";
import { grpoAdvantages } from "../grpo/advantage/advantage";
import { grpoLoss } from "../grpo/loss/loss";
import type { GrpoSettings } from "../grpo/presets";
import { checkOptions, type Names } from "../options/options";
import type { Sampled, Segment } from "../rollouts";
import { backpropagate, type Learned, scoreEach } from "../runs/backpropagate";
import { update } from "../runs/updates";
import type { Trainer } from "../trainer";
import { samplerGap } from "./sampler-gap";

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
 * A rollout is one row of the loss, whose tokens are those of its pieces joined: π(R, Â | I, A) = π(R | I, A) · π(Â | I, R). A piece that
 * several rollouts share, a cot with several reconstructions, is scored once and learns from the sum. π is softmax(logits / temperature) at the
 * temperature that a piece was sampled at. It is the first and only update on these rollouts, so π_old is the policy as it is, the ratio is 1, and the
 * gradient is known before the forward pass; what the sampler says of its own tokens is only compared, unless a correction asks for π_old/π_sampler,
 * of the same temperature both. Where no rollout is better than another there is nothing to learn, and the weights stay.
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
  const learned = sampled.map(({ segments }) => (credit === "all" ? segments : segments.slice(-1)));
  const segments = [...new Map(learned.flat().map((segment) => [segment.completion, segment])).values()];
  const pieces = segments.map(withTokens);
  const place = new Map(segments.map(({ completion }, i) => [completion, i]));
  const rows = learned.map((row) => row.map(({ completion }) => place.get(completion)!));

  const asks = asksOf(grpo);
  const scored = async (policy: "current" | "reference") =>
    joinRows(
      rows,
      await scoreEach(pieces, (part, temperature) => trainer.logProbs(part, { policy, temperature, signal })),
    );
  const sampledLogProbs = pieces.map((piece) => piece.logProbs);
  const ofSampler = joinRows(rows, sampledLogProbs);
  // At ratio 1 only KL and the sampler's correction ask for the numbers themselves.
  const logProbs = asks.reference || asks.sampler ? await scored("current") : ofSampler;
  const batch = {
    ...{ logProbs, oldLogProbs: logProbs, advantages },
    ...(asks.reference && { refLogProbs: await scored("reference") }),
    ...(asks.sampler && { samplingLogProbs: ofSampler }),
  };
  const lossAt = (entropies: readonly Float64Array[]) => {
    const loss = grpoLoss({ ...batch, ...(asks.entropies && { entropies: joinRows(rows, entropies) }) }, grpo.loss);
    checkFinite("loss", loss.loss);
    return loss;
  };
  // The bonus has the same gradient at any entropies; only the mask asks for them first.
  const known = asks.entropiesFirst
    ? await scoreEach(pieces, (part, temperature) => trainer.entropies(part, { temperature, signal }))
    : undefined;
  const { gradient, entropyGradient } = lossAt(known ?? zerosFor(pieces));
  const passed = await backpropagate(trainer, pieces, splitRows(rows, pieces, gradient), {
    ...{ entropyGradient: entropyGradient && splitRows(rows, pieces, entropyGradient), microBatch, signal },
  });
  const loss = lossAt(known ?? zerosFor(pieces).map((none, i) => passed.entropies[i] ?? none));
  const isZero = passed.logProbs.every((row) => row === undefined);
  const { gradNorm } = isZero ? { gradNorm: 0 } : await update(trainer, { learningRate });
  checkFinite("gradient norm", gradNorm);
  const { sampler: correction } = grpo.loss.corrections ?? {};
  return {
    advantages,
    metrics: {
      ...metrics,
      ...loss.metrics,
      ...(correction ? samplerGap(logProbs, ofSampler, correction) : samplerGap(passed.logProbs, sampledLogProbs)),
      loss: loss.loss,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      "rise/entropy_estimate": -mean(sampledLogProbs.flatMap((row) => [...row])),
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
  const rows = rewards.map(() => Float64Array.of(-1, -1));
  const asks = asksOf(grpo);
  grpoLoss(
    {
      ...{ logProbs: rows, oldLogProbs: rows, advantages },
      ...(asks.reference && { refLogProbs: rows }),
      ...(asks.sampler && { samplingLogProbs: rows }),
      ...(asks.entropies && { entropies: rows }),
    },
    grpo.loss,
  );
}

/** The inputs that a loss asks for, besides the sampler's own log-probs. */
export function asksOf({ loss: { klCoefficient = 0, entropyCoefficient = 0, corrections = {} } }: GrpoSettings) {
  const entropiesFirst = corrections.topEntropy !== undefined;
  return {
    /** Log-probs under the reference policy. */
    reference: klCoefficient !== 0,
    /** The trainer's log-probs beside the sampler's. */
    sampler: Boolean(corrections.sampler) || corrections.offPolicyThreshold !== undefined,
    entropies: entropiesFirst || entropyCoefficient !== 0,
    /** Before the gradient is known. */
    entropiesFirst,
  };
}

function checkFinite(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new TrainingError(`grpoStep: expected a finite ${name}, got ${value}`);
}

/** Every completion of a step was judged by the same reward, so the first one's weights are everybody's. */
const weightsOf = ([first]: readonly Sampled<unknown>[]) =>
  first?.reward.terms && { weights: first.reward.terms.map(({ weight }) => weight) };

/** What a sampler wrote, as a trainer learns from it. */
export interface Piece extends Learned {
  /** The sampler's own, of the policy that learns: at the temperature, whatever else decided what was drawn. */
  readonly logProbs: Float64Array;
}

/**
 * The tokens of a segment, and their log-probs.
 * @throws BackendError for a completion without token ids or log-probs
 */
export function withTokens({ prompt, completion, temperature = 1 }: Segment): Piece {
  const { tokenIds, logProbs: raw, samplingLogProbs, temperedLogProbs = samplingLogProbs } = completion;
  const logProbs = temperature === 1 ? raw : temperedLogProbs;
  if (!tokenIds || !logProbs || tokenIds.length !== logProbs.length) {
    throw new BackendError(
      `grpoStep: the trainer's sampler must give token ids and as many log-probs, got ${tokenIds?.length ?? "no"} and ${logProbs?.length ?? "no"}`,
    );
  }
  return { prompt, completion: tokenIds, temperature, logProbs: Float64Array.from(logProbs) };
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
const zerosFor = (pieces: readonly Piece[]) => pieces.map(({ completion }) => new Float64Array(completion.length));
