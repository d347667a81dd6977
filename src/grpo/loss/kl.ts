import { ConfigError, ShapeError } from "../../errors";
import { checkArguments, fieldsKind, listKind } from "../../options/arguments";
import { counted } from "../../options/display";
import { number, readArgument } from "../../options/spec";
import type { RewardValue } from "../advantage/rewards";
import { type GrpoBatch, readBatch } from "./batch";

/** An estimator of the KL divergence from a sampled token. */
export type KlEstimatorName = "k1" | "abs" | "k2" | "k3" | "clampedK3" | "k1+" | "abs+" | "k3+";

type KlEstimator = (d: number) => { readonly value: number; readonly dLogProb: number };

/**
 * Per-token estimates of KL(π ‖ π_ref) from one sample of π, and their slopes by log π; d = log π_ref − log π (Schulman
 * 2020).
 */
export const klEstimators: { readonly [N in KlEstimatorName]: KlEstimator } = {
  // −d                                unbiased; may be negative
  k1: (d) => ({ value: -d, dLogProb: 1 }),
  // |d|
  abs: (d) => ({ value: Math.abs(d), dLogProb: -Math.sign(d) }),
  // d²/2                              its slope is, on average, KL's slope
  k2: (d) => ({ value: (d * d) / 2, dLogProb: -d }),
  // eᵈ − d − 1                        unbiased and never negative; `expm1` keeps the digits that 1 would swallow
  k3: (d) => ({ value: Math.expm1(d) - d, dLogProb: -Math.expm1(d) }),
  // min(k3(clip(d, ±20)), 10)         verl's low_var_kl
  clampedK3: (d) => {
    const value = Math.expm1(Math.min(Math.max(d, -20), 20)) - Math.min(Math.max(d, -20), 20);
    return Math.abs(d) > 20 || value > 10
      ? { value: Math.min(value, 10), dLogProb: 0 }
      : { value, dLogProb: -Math.expm1(d) };
  },
  // sg[estimate − d²/2] + d²/2        the estimate's value with the slope of k2, as verl's names with a plus; its k3 is
  // bounded
  "k1+": (d) => withSlopeOfK2(klEstimators.k1, d),
  "abs+": (d) => withSlopeOfK2(klEstimators.abs, d),
  "k3+": (d) => withSlopeOfK2(klEstimators.clampedK3, d),
};

const withSlopeOfK2 = (estimate: KlEstimator, d: number) => ({
  value: estimate(d).value,
  dLogProb: klEstimators.k2(d).dLogProb,
});

/**
 * Subtracts the divergence from the reference from the rewards, as RLOO does instead of adding it to the loss:
 * Rᵢ − β·Σₜ mᵢₜ (log π − log π_ref).
 *
 * @param rewards one for each completion; `null`, a missing one, stays missing
 * @param batch log-probs of the policy that sampled, and of the reference
 * @param klCoefficient β
 * @throws ShapeError when rows do not fit together, or `refLogProbs` is missing; ConfigError for a reward or β that is
 * not finite
 * Source: RLOO (arXiv 2402.14740); TRL's `RLOOTrainer`.
 * @example
 * penaliseKl([1, 0], { logProbs: [[-1], [-2]], refLogProbs: [[-1.5], [-2]] }, 0.1); // 0.95, 0
 */
export function penaliseKl(
  rewards: readonly RewardValue[],
  batch: Pick<GrpoBatch, "logProbs" | "refLogProbs" | "mask">,
  klCoefficient: number,
): RewardValue[] {
  readArgument("penaliseKl", "klCoefficient", klCoefficient, number("a finite number", Number.isFinite));
  checkArguments(
    "penaliseKl",
    { rewards, batch },
    { rewards: listKind(), batch: fieldsKind({ logProbs: listKind(listKind()) }) },
  );
  const { logProbs, refLogProbs, mask } = batch;
  if (refLogProbs === undefined) throw new ShapeError("penaliseKl: expected refLogProbs, got none");
  if (rewards.length !== logProbs.length)
    throw new ShapeError(
      `penaliseKl: expected ${counted(logProbs.length, "reward")}, one for each sequence, got ${rewards.length}`,
    );
  const bad = rewards.findIndex((reward) => reward !== null && !Number.isFinite(reward));
  if (bad >= 0)
    throw new ConfigError(`penaliseKl: expected a finite reward, or null, got ${rewards[bad]} for completion ${bad}`);
  const advantages = new Float64Array(rewards.length);
  const sequences = readBatch({ logProbs, refLogProbs, advantages, ...(mask && { mask }) });
  return sequences.map((sequence, i) => {
    const divergence = sequence.logProbs.reduce((sum, logProb, k) => sum + logProb - sequence.refLogProbs![k]!, 0);
    return rewards[i] === null ? null : rewards[i]! - klCoefficient * divergence;
  });
}
