import { choice, groupOrFalse, notNegative, number, positive, share, specOf } from "../../options/spec";
import type { Sequence } from "./batch";

/** Factors that make a token count for less in the policy term, or not at all. They do not multiply KL. */
export interface CorrectionOptions {
  /**
   * Leaves out tokens with A < 0 of completions that the policy has moved away from: mean(log π_sampler − log π_θ)
   * above this. Uses the sampler's own log-probs if the batch has them (DeepSeek-V3.2).
   */
  readonly offPolicyThreshold?: number;
  /** ρ, in (0, 1]: only this share of the batch's tokens, those of highest entropy, learns (arXiv 2506.01939). */
  readonly topEntropy?: number;
  /**
   * Multiplies with π_old/π_sampler, in case the engine that samples and the one that trains compute different
   * log-probs (false; in a run, TRL's `sequence_mask` with max 3 if the sampler's precision differs from the
   * trainer's).
   */
  readonly sampler?: SamplerCorrection | false;
}

/** Weighs tokens by how likely the policy is to write them, compared with the sampler. */
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

export const samplerCorrectionSpec = specOf<SamplerCorrection>()(() => ({
  level: choice(["token", "sequence"])
    .default("sequence")
    .describe("A ratio for each token, or the ratio of the whole sequence for all its tokens"),
  outside: choice(["mask", "truncate"])
    .default("mask")
    .describe("The factor in place of a ratio outside [min, max]: 0, or the bound"),
  min: notNegative().default(0).describe("The least ratio"),
  max: positive().default(3).describe("The largest ratio"),
}));

export const correctionsSpec = specOf<CorrectionOptions>()(() => ({
  offPolicyThreshold: number()
    .optional()
    .describe("Leaves out tokens with A < 0 of completions whose mean(log π_sampler − log π_θ) is above this"),
  topEntropy: share().optional().describe("ρ: only this share of the tokens, those of highest entropy, learns"),
  sampler: groupOrFalse(samplerCorrectionSpec()).optional().describe("Multiplies with π_old/π_sampler"),
}));

/**
 * The factors 1 if mean(log π_sampler − log π_θ) ≤ threshold or A ≥ 0, else 0; a log-prob not reported has no gap.
 */
export function offPolicyFactors(
  { advantages, logProbs, samplingLogProbs }: Sequence,
  threshold: number,
): Float64Array {
  const gap = logProbs.reduce((sum, logProb, k) => sum + zeroIfUnknown(samplingLogProbs[k]! - logProb), 0);
  const isClose = gap / Math.max(logProbs.length, 1) <= threshold;
  return advantages.map((advantage) => (isClose || advantage >= 0 ? 1 : 0));
}

/** The ratio π_old/π_sampler within bounds, for each token. */
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
