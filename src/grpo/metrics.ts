/** Under TRL's names. All are over unmasked tokens; `min` and `max` are over sequences. */
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
}

/** How many tokens of one sequence were clipped, and the sum of their KL estimates. */
export interface SequenceCounts {
  readonly tokens: number;
  readonly low: number;
  readonly high: number;
  readonly kl: number;
}

export function clipMetrics(sequences: readonly SequenceCounts[], withKl: boolean): GrpoMetrics {
  const total = { tokens: 0, low: 0, high: 0, kl: 0 };
  for (const { tokens, low, high, kl } of sequences) {
    total.tokens += tokens;
    total.low += low;
    total.high += high;
    total.kl += kl;
  }
  return {
    "clip_ratio/low_mean": share(total.low, total.tokens),
    "clip_ratio/low_min": Math.min(...sequences.map(({ low, tokens }) => share(low, tokens))),
    "clip_ratio/high_mean": share(total.high, total.tokens),
    "clip_ratio/high_max": Math.max(...sequences.map(({ high, tokens }) => share(high, tokens))),
    "clip_ratio/region_mean": share(total.low + total.high, total.tokens),
    ...(withKl && { kl: share(total.kl, total.tokens) }),
  };
}

const share = (count: number, tokens: number) => count / Math.max(tokens, 1);
