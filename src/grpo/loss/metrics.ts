import type { Sequence } from "./batch";
import type { PolicyTerms } from "./terms";

/** Metrics under TRL's names. All are over unmasked tokens; `min` and `max` are over sequences. */
export interface GrpoMetrics {
  /** Share of tokens held back by 1 − ε (A < 0). */
  readonly "clip_ratio/low_mean": number;
  readonly "clip_ratio/low_min": number;
  /** Share of tokens held back by 1 + ε_high (A > 0); for cispo, capped by ε_high. */
  readonly "clip_ratio/high_mean": number;
  readonly "clip_ratio/high_max": number;
  /** Share of tokens held back by either. */
  readonly "clip_ratio/region_mean": number;
  /** Mean of the KL estimate; absent without refLogProbs. */
  readonly kl?: number;
  /** Mean entropy; absent without entropies. */
  readonly entropy?: number;
}

/** Computes the metrics. @param kl sum of the KL estimates, if there is a reference */
export function lossMetrics(
  sequences: readonly Sequence[],
  terms: readonly PolicyTerms[],
  kl: number | undefined,
): GrpoMetrics {
  const lows = terms.map(({ clipped }) => countOf(clipped, -1));
  const highs = terms.map(({ clipped }) => countOf(clipped, 1));
  const lengths = sequences.map(({ positions }) => positions.length);
  const [low, high, tokens] = [sum(lows), sum(highs), sum(lengths)];
  const entropies = sequences.map(({ entropies }) => entropies?.reduce((a, b) => a + b, 0));
  return {
    "clip_ratio/low_mean": share(low, tokens),
    "clip_ratio/low_min": lows.reduce((least, count, i) => Math.min(least, share(count, lengths[i]!)), 1),
    "clip_ratio/high_mean": share(high, tokens),
    "clip_ratio/high_max": highs.reduce((most, count, i) => Math.max(most, share(count, lengths[i]!)), 0),
    "clip_ratio/region_mean": share(low + high, tokens),
    ...(kl !== undefined && { kl: share(kl, tokens) }),
    ...(entropies[0] !== undefined && { entropy: share(sum(entropies.map((entropy) => entropy ?? 0)), tokens) }),
  };
}

function countOf(sides: Int8Array, side: number): number {
  let count = 0;
  for (let k = 0; k < sides.length; k++) if (sides[k] === side) count++;
  return count;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const share = (count: number, tokens: number) => count / Math.max(tokens, 1);
