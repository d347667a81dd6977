import { DataError } from "../errors";
import { checkArguments, listKind, numberKind } from "../options/arguments";
import { readOptions, specOf } from "../options/spec";
import { bootstrapInterval, resamplingSpec, weightedMean } from "./bootstrap";

/** How often ours diverges less than a baseline. */
export interface WinRate {
  /** The rate (wins + ½ ties) / examples, in [0, 1]; lower is better for us. */
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
 * @throws DataError when the lists are empty or differ in length, or one has a NaN
 * Source: RISE, WR in Table 1. Departure: the paper does not say how a tie counts.
 * @example
 * winRate([0.1, 0.4], [0.3, 0.2]).winRate; // 0.5
 */
export function winRate(ours: readonly number[], baseline: readonly number[]): WinRate {
  checkArguments("winRate", { ours, baseline }, { ours: listKind(numberKind), baseline: listKind(numberKind) });
  if (ours.length !== baseline.length || ours.length === 0)
    throw new DataError(
      `winRate: expected the same examples on both sides, got ${ours.length} of ours and ${baseline.length} of the baseline`,
    );
  const at = ours.findIndex((value, i) => Number.isNaN(value) || Number.isNaN(baseline[i]!));
  if (at >= 0) throw new DataError(`winRate: expected numbers, got ${ours[at]} and ${baseline[at]} at ${at}`);
  const wins = ours.filter((value, i) => baseline[i]! < value).length;
  const ties = ours.filter((value, i) => baseline[i] === value).length;
  return { winRate: (wins + ties / 2) / ours.length, wins, ties, losses: ours.length - wins - ties };
}

export const winRateIntervalSpec = specOf<{ seed?: number }>()(() => ({ seed: resamplingSpec().seed }));

/**
 * The 95 % interval of the win rate: `bootstrapInterval` over examples.
 *
 * @param options.seed the same seed gives the same interval (0)
 * @throws DataError when the lists are empty or differ in length
 * @example
 * const [low, high] = winRateInterval([0.1, 0.4, 0.2], [0.3, 0.2, 0.2]);
 */
export function winRateInterval(
  ours: readonly number[],
  baseline: readonly number[],
  options: { readonly seed?: number } = {},
): readonly [low: number, high: number] {
  const { seed } = readOptions("winRateInterval", options, winRateIntervalSpec);
  winRate(ours, baseline);
  const scores = ours.map((value, i) => (Math.sign(value - baseline[i]!) + 1) / 2);
  const { low, high } = bootstrapInterval(scores.length, weightedMean(scores), { seed });
  return [low, high];
}
