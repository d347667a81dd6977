import { DataError } from "../errors";
import { checkArguments, functionKind, textKind } from "../options/arguments";
import { flag, readOptions, specOf } from "../options/spec";
import { type Counts, weightedMean } from "./bootstrap";
import { meanOver, type Outcome, outcomesKind } from "./outcome";

/**
 * A plain function that gives one number for all examples. Its optional properties make intervals fast, and comparisons
 * possible.
 */
export interface Metric<A> {
  (outcomes: readonly Outcome<A>[]): number;
  /** Its value for one example, if it is a mean over examples. */
  readonly each?: (outcome: Outcome<A>) => number;
  /** Its value if example i is there counts[i] times, for intervals; `NaN` if it is undefined. */
  readonly weighted?: (outcomes: readonly Outcome<A>[]) => (counts: Counts) => number;
  /** Whether less of it is better (false). */
  readonly lowerIsBetter?: boolean;
}

/** Metrics by name. */
export type Metrics<A> = Readonly<Record<string, Metric<A>>>;

/** Options of `meanMetric`. */
export interface MeanMetricOptions {
  /** Whether less of it is better (false). */
  readonly lowerIsBetter?: boolean;
}

export const meanMetricSpec = specOf<MeanMetricOptions>()(() => ({
  lowerIsBetter: flag().default(false).describe("Whether less of it is better"),
}));

/**
 * Makes a metric: the mean over examples of a number that each has.
 * @returns a metric that throws DataError for no examples
 * @example
 * const parses = meanMetric("parses", ({ prediction }) => (prediction === null ? 0 : 1));
 */
export function meanMetric<A>(
  name: string,
  each: (outcome: Outcome<A>) => number,
  options: MeanMetricOptions = {},
): Metric<A> {
  checkArguments("meanMetric", { name, each }, { name: textKind, each: functionKind });
  const { lowerIsBetter } = readOptions("meanMetric", options, meanMetricSpec);
  return ownMetric(name, each, lowerIsBetter);
}

/** The same for the library's own metrics, which are made when it is imported: there are no options to check. */
export function ownMetric<A>(name: string, each: (outcome: Outcome<A>) => number, lowerIsBetter = false): Metric<A> {
  const metric = (outcomes: readonly Outcome<A>[]) => {
    checkArguments(name, { outcomes }, { outcomes: outcomesKind });
    return meanOver(name, outcomes, each);
  };
  return Object.assign(metric, { each, lowerIsBetter });
}

/**
 * A metric's value for some outcomes by how often each is there.
 * @example
 * bootstrapInterval(outcomes.length, weightedMetric(accuracy, outcomes));
 */
export function weightedMetric<A>(metric: Metric<A>, outcomes: readonly Outcome<A>[]): (counts: Counts) => number {
  checkArguments("weightedMetric", { metric, outcomes }, { metric: functionKind, outcomes: outcomesKind });
  if (metric.each) return weightedMean(outcomes.map(metric.each));
  if (metric.weighted) return metric.weighted(outcomes);
  return (counts) => {
    try {
      return metric(outcomes.flatMap((outcome, i) => Array<Outcome<A>>(counts[i]!).fill(outcome)));
    } catch (error) {
      // The resample may have no ground truth, for instance.
      if (error instanceof DataError) return Number.NaN;
      throw error;
    }
  };
}
