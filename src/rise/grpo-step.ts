import * as z from "zod";
import { BackendError, ConfigError, TrainingError } from "../errors";
import { grpoAdvantages } from "../grpo/advantage/advantage";
import { grpoAdvantagesSpec } from "../grpo/advantage/advantage-options";
import { grpoLoss } from "../grpo/loss/loss";
import { grpoLossSpec } from "../grpo/loss/loss-options";
import type { GrpoSettings } from "../grpo/presets";
import { once } from "../options/once";
import type { Sampled, SampledSegment } from "../rollouts";
import { backpropagate, scoreEach, type TemperedSegment } from "../runs/backpropagate";
import { samplerGap } from "../runs/sampler-gap";
import { update } from "../runs/updates";
import type { Trainer } from "../trainer";

export interface GrpoStepOptions {
  readonly rolloutsPerGroup: number;
  readonly grpo: GrpoSettings;
  readonly learningRate: number;
  /** The segments of a rollout that carry loss: the last, or all. */
  readonly credit: "all" | "last";
  readonly microBatch?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Makes one GRPO update on freshly sampled rollouts.
 *
 * A rollout is one row of the loss, whose tokens are those of its segments joined: π(R, Â | I, A) = π(R | I, A) · π(Â |
 * I, R). A segment of several rollouts, a cot with several reconstructions, is scored once and learns from the sum. π
 * is softmax(logits / temperature) at the temperature that sampled a segment. It is the first and only update on these
 * rollouts, so π_old is the present policy, the ratio is 1, and the gradient is known before the forward pass. The
 * sampler's own log-probs are only compared, unless a correction needs π_old/π_sampler, both of the same temperature.
 * If no rollout is better than another, nothing is learned and the weights stay.
 *
 * @param sampled whole groups of `rolloutsPerGroup` consecutive rollouts
 * @throws TrainingError when the loss or the gradient is not finite; ConfigError for rewards whose terms differ
 * Source: RISE, Eqs. 7 and 10.
 */
export async function grpoStep<R>(trainer: Trainer, sampled: readonly Sampled<R>[], options: GrpoStepOptions) {
  const { rolloutsPerGroup, grpo, learningRate, credit, signal } = options;
  const { advantages, metrics } = grpoAdvantages(
    sampled.map(({ reward: { reward, terms } }) => terms?.map(({ value }) => value) ?? [reward]),
    { ...weightsOf(sampled), ...grpo.advantages, groupSize: rolloutsPerGroup },
  );
  const rows = rowsOf(sampled, credit);
  const needs = lossInputs(grpo);
  const scored = await scoresBefore(trainer, rows, { needs, signal });
  const batch = { ...scored.batch, advantages };
  const lossAt = (entropies: readonly Float64Array[]) => {
    const loss = grpoLoss({ ...batch, ...(needs.entropies && { entropies: joinRows(rows, entropies) }) }, grpo.loss);
    checkFinite("loss", loss.loss);
    return loss;
  };
  const zeros = zerosFor(rows.segments);
  // Called before the backward pass for the gradient, and after it for the value: the entropy bonus has the same
  // gradient at any entropies, and only the entropy mask needs them first.
  const { gradient, entropyGradient } = lossAt(scored.entropies ?? zeros);
  const passed = await backpropagate(trainer, rows.segments, splitRows(rows, gradient), {
    entropyGradient: entropyGradient && splitRows(rows, entropyGradient),
    microBatch: options.microBatch,
    signal,
  });
  const loss = lossAt(scored.entropies ?? zeros.map((zero, i) => passed.entropies[i] ?? zero));
  const isZero = passed.logProbs.every((row) => row === undefined);
  const { gradNorm } = isZero ? { gradNorm: 0 } : await update(trainer, { learningRate });
  checkFinite("gradient norm", gradNorm);
  const { sampler: correction } = grpo.loss.corrections ?? {};
  const gap = correction
    ? samplerGap(batch.logProbs, joinRows(rows, rows.logProbs), correction)
    : samplerGap(passed.logProbs, rows.logProbs);
  return {
    advantages,
    metrics: {
      ...metrics,
      ...loss.metrics,
      ...gap,
      loss: loss.loss,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      "rise/entropy_estimate": -mean(rows.logProbs.flatMap((row) => [...row])),
      "rise/advantage_mean_abs": mean([...advantages].map(Math.abs)),
    },
  };
}

/** The rows of the loss: each is a rollout, as the indices of its segments. */
interface Rows {
  readonly segments: readonly TemperedSegment[];
  /** The sampler's log-probs of each segment, of the policy that learns: only the temperature changes them. */
  readonly logProbs: readonly Float64Array[];
  readonly segmentsOf: readonly (readonly number[])[];
}

function rowsOf(sampled: readonly Sampled<unknown>[], credit: GrpoStepOptions["credit"]): Rows {
  const credited = sampled.map(({ segments }) => (credit === "all" ? segments : segments.slice(-1)));
  // A sampler may give one completion to several prompts.
  const distinct = [...new Set(credited.flat())];
  const index = new Map(distinct.map((segment, i) => [segment, i]));
  const tokenised = distinct.map(withTokens);
  return {
    segments: tokenised.map(({ segment }) => segment),
    logProbs: tokenised.map(({ logProbs }) => logProbs),
    segmentsOf: credited.map((row) => row.map((segment) => index.get(segment)!)),
  };
}

/** The scores that the loss needs before its gradient. */
async function scoresBefore(
  trainer: Trainer,
  rows: Rows,
  { needs, signal }: { readonly needs: ReturnType<typeof lossInputs>; readonly signal: AbortSignal },
) {
  const scored = async (policy: "current" | "reference") =>
    joinRows(
      rows,
      await scoreEach(rows.segments, (part, temperature) => trainer.logProbs(part, { policy, temperature, signal })),
    );
  const ofSampler = joinRows(rows, rows.logProbs);
  // At ratio 1 only KL and the sampler's correction need the numbers themselves.
  const logProbs = needs.reference || needs.sampler ? await scored("current") : ofSampler;
  const batch = {
    logProbs,
    oldLogProbs: logProbs,
    ...(needs.reference && { refLogProbs: await scored("reference") }),
    ...(needs.sampler && { samplingLogProbs: ofSampler }),
  };
  const entropies = needs.entropiesFirst
    ? await scoreEach(rows.segments, (part, temperature) => trainer.entropies(part, { temperature, signal }))
    : undefined;
  return { batch, entropies };
}

/** The schema of an option that is GRPO's settings; `checkGrpo` tries them out. */
export const grpoOption = once(() => {
  const { groupSize, groups, lengths, ...advantages } = grpoAdvantagesSpec();
  return z.strictObject(
    {
      advantages: z.strictObject(advantages, "an object").describe("Options of grpoAdvantages"),
      loss: z.strictObject(grpoLossSpec(), "an object").describe("Options of grpoLoss"),
    },
    "{ advantages, loss }, such as grpoPresets.trl",
  ) as unknown as z.ZodType<GrpoSettings>;
});

/**
 * Tries settings on numbers, with the inputs that a step has.
 * @throws ConfigError for settings that contradict each other, or need an input that a step does not have
 */
export function checkGrpo(
  grpo: GrpoSettings,
  sizes: { readonly rolloutsPerGroup: number; readonly groups: number },
): void {
  const { weights = [1] } = grpo.advantages;
  const { rolloutsPerGroup } = sizes;
  const rewards = Array.from({ length: rolloutsPerGroup * sizes.groups }, (_, i) => weights.map(() => i % 2));
  const { advantages } = grpoAdvantages(rewards, { ...grpo.advantages, groupSize: rolloutsPerGroup });
  const rows = rewards.map(() => Float64Array.of(-1, -1));
  const needs = lossInputs(grpo);
  grpoLoss(
    {
      logProbs: rows,
      oldLogProbs: rows,
      advantages,
      ...(needs.reference && { refLogProbs: rows }),
      ...(needs.sampler && { samplingLogProbs: rows }),
      ...(needs.entropies && { entropies: rows }),
    },
    grpo.loss,
  );
}

/** Tells which inputs a loss needs, besides the sampler's own log-probs. */
export function lossInputs({ loss }: GrpoSettings) {
  const { corrections = {} } = loss;
  const entropiesFirst = corrections.topEntropy !== undefined;
  return {
    reference: Boolean(loss.klCoefficient),
    /** The trainer's log-probs beside the sampler's. */
    sampler: Boolean(corrections.sampler) || corrections.offPolicyThreshold !== undefined,
    entropies: entropiesFirst || Boolean(loss.entropyCoefficient),
    /** Before the gradient is known. */
    entropiesFirst,
  };
}

function checkFinite(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new TrainingError(`grpoStep: expected a finite ${name}, got ${value}`);
}

/** @throws ConfigError if completions of a step have other terms or weights, which no advantage could compare */
function weightsOf(sampled: readonly Sampled<unknown>[]) {
  const [first, ...others] = sampled.map(({ reward: { terms = [] } }) =>
    JSON.stringify(terms.map(({ name, weight }) => [name, weight])),
  );
  const odd = others.find((other) => other !== first);
  if (odd !== undefined)
    throw new ConfigError(
      `grpoStep: expected a reward that gives every completion the same terms and weights, got ${first} and ${odd}; the value of a term that does not apply is null`,
    );
  return sampled[0]?.reward.terms && { weights: sampled[0].reward.terms.map(({ weight }) => weight) };
}

/**
 * Reads the tokens of a sampled segment, and the sampler's log-probs of them.
 * @throws BackendError for a completion without token ids or log-probs
 */
export function withTokens({ prompt, completion, temperature = 1 }: SampledSegment): {
  readonly segment: TemperedSegment;
  readonly logProbs: Float64Array;
} {
  const { tokenIds, logProbs: raw, samplingLogProbs, temperedLogProbs = samplingLogProbs } = completion;
  const logProbs = temperature === 1 ? raw : temperedLogProbs;
  if (!tokenIds || !logProbs || tokenIds.length !== logProbs.length)
    throw new BackendError(
      `grpoStep: expected token ids and as many log-probs from the trainer's sampler, got ${tokenIds?.length ?? "no"} and ${logProbs?.length ?? "no"}`,
    );
  return { segment: { prompt, completion: tokenIds, temperature }, logProbs: Float64Array.from(logProbs) };
}

/** Joins the arrays of segments into one array for each row of the loss. */
const joinRows = ({ segmentsOf }: Rows, ofSegments: readonly Float64Array[]): Float64Array[] =>
  segmentsOf.map((row) => Float64Array.from(row.flatMap((i) => [...ofSegments[i]!])));

/** Undoes `joinRows` for gradients: each segment gets the sum over its rows. */
function splitRows({ segments, segmentsOf }: Rows, joined: readonly Float64Array[]): Float64Array[] {
  const sums = zerosFor(segments);
  segmentsOf.forEach((row, i) => {
    let next = 0;
    for (const s of row) for (let t = 0; t < sums[s]!.length; t++) sums[s]![t]! += joined[i]![next++]!;
  });
  return sums;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);

const zerosFor = (segments: readonly TemperedSegment[]) =>
  segments.map(({ completion }) => new Float64Array(completion.length));
