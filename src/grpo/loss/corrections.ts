import { choice, groupOrFalse, notNegative, number, positive, type Spec, share } from "../../options/spec";
import type { Sequence } from "./batch";

/** What makes a token count for less in the policy term, or not at all. Each is a factor; KL is not multiplied. */
export interface CorrectionOptions {
  /**
   * Leaves out tokens with A < 0 of completions that the policy has moved away from: mean(log π_sampler − log π_θ)
   * above this. The sampler's own log-probs count where the batch has them (DeepSeek-V3.2).
   */
  readonly offPolicyThreshold?: number;
  /** ρ, in (0, 1]: only this share of the batch's tokens, those of highest entropy, learns (arXiv 2506.01939). */
  readonly topEntropy?: number;
  /**
   * Multiplies with π_old/π_sampler, where the engine that sampled and the one that trains do not compute the same
   * log-probs (false; in a run, TRL's `sequence_mask` with max 3 where the sampler computes in another precision than
   * the trainer).
   */
  readonly sampler?: SamplerCorrection | false;
}

export interface SamplerCorrection {
  /** A ratio for each token, or the ratio of the whole sequence for all its tokens ("sequence"). */
  readonly level?: "token" | "sequence";
  /** The factor in place of a ratio outside [min, max]: 0, or the bound ("mask"). */
  readonly outside?: "mask" | "truncate";
  /** The least ratio (0). */
  readonly min?: number;
  /** The largest ratio (3). */
  readonly max?: number;
}

export const samplerCorrectionSpec = {
  level: choice(["token", "sequence"])
    .default("sequence")
    .describe("A ratio for each token, or the ratio of the whole sequence for all its tokens"),
  outside: choice(["mask", "truncate"])
    .default("mask")
    .describe("The factor in place of a ratio outside [min, max]: 0, or the bound"),
  min: notNegative().default(0).describe("The least ratio"),
  max: positive().default(3).describe("The largest ratio"),
} satisfies Spec<SamplerCorrection>;

export const correctionsSpec = {
  offPolicyThreshold: number()
    .optional()
    .describe("Leaves out tokens with A < 0 of completions whose mean(log π_sampler − log π_θ) is above this"),
  topEntropy: share().optional().describe("ρ: only this share of the tokens, those of highest entropy, learns"),
  sampler: groupOrFalse(samplerCorrectionSpec).optional().describe("Multiplies with π_old/π_sampler"),
} satisfies Spec<CorrectionOptions>;

/**
 * 1 where mean(log π_sampler − log π_θ) ≤ threshold or A ≥ 0, else 0; where nothing was reported, no gap is assumed.
 */
export function offPolicyFactors(
  { advantages, logProbs, samplingLogProbs }: Sequence,
  threshold: number,
): Float64Array {
  const gap = logProbs.reduce((sum, logProb, k) => sum + zeroIfUnknown(samplingLogProbs[k]! - logProb), 0);
  const isClose = gap / Math.max(logProbs.length, 1) <= threshold;
  return advantages.map((advantage) => (isClose || advantage >= 0 ? 1 : 0));
}

/** π_old/π_sampler within bounds, for each token. */
export function samplerRatios(
  { oldLogProbs, samplingLogProbs }: Pick<Sequence, "oldLogProbs" | "samplingLogProbs">,
  { level, outside, min, max }: Required<SamplerCorrection>,
): Float64Array {
  const logRatios = oldLogProbs.map((logProb, k) => zeroIfUnknown(logProb - samplingLogProbs[k]!));
  if (level === "sequence") logRatios.fill(logRatios.reduce((a, b) => a + b, 0));
  return logRatios.map((logRatio) => {
    const ratio = Math.exp(logRatio);
    const bounded = Math.min(Math.max(ratio, min), max);
    return outside === "mask" && ratio !== bounded ? 0 : bounded;
  });
}

const zeroIfUnknown = (gap: number) => (Number.isNaN(gap) ? 0 : gap);
