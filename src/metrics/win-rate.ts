import { DataError } from "../errors";
import { createRng } from "../rng";

export interface WinRate {
  /** (wins + ½ ties) / examples, in [0, 1]; lower is better for us. */
  readonly winRate: number;
  /** Examples where the baseline diverges less. */
  readonly wins: number;
  readonly ties: number;
  /** Examples where ours diverges less. */
  readonly losses: number;
}

/**
 * The *baseline's* win rate: the share of examples where it has the lower JSD. Ties count half.
 *
 * @param ours JSD of each example
 * @param baseline JSD of the same examples in the same order
 * @throws DataError when the lists are empty or differ in length
 * Source: RISE, WR in Table 1. Departure: the paper does not say what a tie counts.
 */
export function winRate(ours: readonly number[], baseline: readonly number[]): WinRate {
  if (ours.length !== baseline.length || ours.length === 0) {
    throw new DataError(
      `winRate needs the same examples on both sides, but got ${ours.length} of ours and ${baseline.length} of the baseline`,
    );
  }
  const wins = ours.filter((value, i) => baseline[i]! < value).length;
  const ties = ours.filter((value, i) => baseline[i] === value).length;
  return { winRate: (wins + ties / 2) / ours.length, wins, ties, losses: ours.length - wins - ties };
}

/**
 * The 95 % interval of the win rate by the percentile bootstrap: examples are drawn with replacement 2000 times, and the interval leaves out
 * the lowest and the highest 2.5 % of the win rates.
 *
 * @param options.seed the same seed gives the same interval (0)
 * @throws DataError when the lists are empty or differ in length
 * Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
 */
export function winRateInterval(
  ours: readonly number[],
  baseline: readonly number[],
  { seed = 0 }: { readonly seed?: number } = {},
): readonly [low: number, high: number] {
  const { wins, ties } = winRate(ours, baseline);
  const rng = createRng(seed, "win rate");
  // Which example is drawn does not matter, only what it scores.
  const score = (i: number) => (i < wins ? 1 : i < wins + ties ? 0.5 : 0);
  const rates = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < ours.length; i++) sum += score(rng.integer(ours.length));
    return sum / ours.length;
  }).sort();
  const tail = 0.025 * RESAMPLES;
  return [rates[tail]!, rates[RESAMPLES - 1 - tail]!];
}

const RESAMPLES = 2000;
