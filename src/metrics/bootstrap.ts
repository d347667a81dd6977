import { checkArguments, functionKind } from "../options/arguments";
import { once } from "../options/once";
import { count, number, readArgument, readOptions, seed as seedOption, specOf } from "../options/spec";
import { createRng } from "../rng";

/** The number of times that each example is in a resample. */
export type Counts = Uint32Array;

/** The values that the middle `level` of all resamples lie between. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly level: number;
}

/** Options of `bootstrapInterval`. */
export interface ResamplingOptions {
  /** Share of resamples within an interval (0.95). */
  readonly level?: number;
  /** Resamples for each interval, and for each p-value (2000). */
  readonly resamples?: number;
  /** The same seed draws the same resamples (0). */
  readonly seed?: number;
}

export const resamplingSpec = specOf<ResamplingOptions>()(() => ({
  level: number("between 0 and 1", (value) => value > 0 && value < 1)
    .default(0.95)
    .describe("Share of resamples within an interval"),
  resamples: count().default(2000).describe("Drawn for each interval, and for each p-value"),
  seed: seedOption().default(0).describe("The same seed draws the same resamples"),
}));

/**
 * Estimates an interval by the percentile bootstrap: `size` examples are drawn with replacement, again and again, and
 * the interval leaves out the lowest and the highest (1 − level) / 2 of the statistic's values.
 *
 * @param statistic the value for a resample; resamples with `NaN` are left out
 * @throws ConfigError for a size that is not a whole number, a level outside (0, 1), or fewer than one resample
 * Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; quantiles as NumPy has them
 * (linear).
 * @example
 * const { low, high } = bootstrapInterval(scores.length, weightedMean(scores), { level: 0.9 });
 */
export function bootstrapInterval(
  size: number,
  statistic: (counts: Counts) => number,
  options: ResamplingOptions = {},
): Interval {
  readArgument("bootstrapInterval", "size", size, sizeSchema());
  checkArguments("bootstrapInterval", { statistic }, { statistic: functionKind });
  const { level, resamples, seed } = readOptions("bootstrapInterval", options, resamplingSpec);
  const rng = createRng(seed, "bootstrap");
  const counts = new Uint32Array(size);
  const values = Float64Array.from({ length: resamples }, () => {
    counts.fill(0);
    for (let i = 0; i < size; i++) counts[rng.integer(size)]!++;
    return statistic(counts);
  })
    .filter((value) => !Number.isNaN(value))
    .sort();
  const tail = (1 - level) / 2;
  return { low: quantile(values, tail), high: quantile(values, 1 - tail), level };
}

const sizeSchema = once(() => count(0));

/**
 * The mean of values by how often each is there, Σ countᵢ · valueᵢ / Σ countᵢ.
 * @example
 * weightedMean([1, 5])(Uint32Array.of(3, 1)); // 2
 */
export const weightedMean =
  (values: readonly number[]) =>
  (counts: Counts): number => {
    let [sum, count] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      sum += counts[i]! * values[i]!;
      count += counts[i]!;
    }
    return sum / count;
  };

function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (at - Math.floor(at)) * (above - below);
}
