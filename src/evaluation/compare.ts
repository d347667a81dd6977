import { ConfigError, DataError } from "../errors";
import {
  bootstrapInterval,
  type Counts,
  type Interval,
  type ResamplingOptions,
  resamplingSpec,
} from "../metrics/bootstrap";
import type { Metric } from "../metrics/metric";
import { exchangePValue } from "../metrics/permutation";
import { listed, shown } from "../options/display";
import { choice, readOptions, specOf } from "../options/spec";
import {
  checkMetrics,
  type Evaluation,
  type EvaluationRecord,
  hasFailed,
  type Measured,
  measure,
  metricsOption,
  type OwnMetric,
} from "./records";

/** Options of `compareEvaluations`. */
export interface CompareOptions<A, Name extends string> extends ResamplingOptions {
  /** Metrics beside `formatRate` and `similarity`: `classificationMetrics`, `detectionMetrics` or your own (none). */
  readonly metrics?: Readonly<Record<Name, Metric<A>>>;
  /** Examples that failed in either evaluation count as the worst value there, or are left out of both ("record"). */
  readonly onFailure?: "record" | "exclude";
}

/** A metric of two evaluations, compared example by example. */
export interface MetricComparison {
  readonly a: number;
  readonly b: number;
  /** a − b */
  readonly difference: number;
  /** The bootstrap interval of the difference; each resample draws the same examples for both. */
  readonly interval: Interval;
  /** The probability of so large a difference, either way, by chance: `exchangePValue`. */
  readonly pValue: number;
  /** Numbers of examples on which either side is better, if the metric is a mean over examples. */
  readonly examples?: { readonly aIsBetter: number; readonly equal: number; readonly bIsBetter: number };
}

export const compareEvaluationsSpec = specOf<CompareOptions<unknown, never>>()(() => ({
  metrics: metricsOption().describe("Metrics by name, beside formatRate and similarity"),
  onFailure: choice(["record", "exclude"])
    .default("record")
    .describe("Examples that failed count as the worst value, or are left out of both evaluations"),
  ...resamplingSpec(),
}));

/**
 * Compares two evaluations of the same examples, in any order, which `evaluate` returned or `readEvaluation` read.
 *
 * P-values are not corrected for several metrics: of twenty without a difference, expect one with p ≤ 0.05.
 *
 * @throws DataError naming examples that only one of them has, or whose annotations differ; ConfigError
 * @example
 * const { similarity } = compareEvaluations(await readEvaluation("runs/new"), await readEvaluation("runs/old"));
 * console.log(similarity.difference, similarity.interval, similarity.pValue);
 */
export function compareEvaluations<A, Name extends string = never>(
  a: Pick<Evaluation<A, string>, "records">,
  b: Pick<Evaluation<A, string>, "records">,
  options: CompareOptions<A, Name> = {},
): Readonly<Record<Name | OwnMetric, MetricComparison>> {
  const { metrics, onFailure, ...resampling } = readOptions("compareEvaluations", options, compareEvaluationsSpec);
  checkMetrics("compareEvaluations", metrics);
  for (const evaluation of [a, b]) checkEvaluation(evaluation);
  const pairs = pair(a.records, b.records).filter((both) => onFailure === "record" || !both.some(hasFailed));
  if (pairs.length === 0)
    throw new DataError("compareEvaluations: expected an example that succeeded in both, got none");
  const own = pairs.map(([record]) => record);
  const other = pairs.map(([, record]) => record);
  const [ofA, ofB, ofBoth] = [own, other, [...own, ...other]].map((records) => measure(records, metrics));
  const compared = [...ofBoth!].map(
    ([name, both]) => [name, compare(ofA!.get(name)!, ofB!.get(name)!, both, pairs.length, resampling)] as const,
  );
  return Object.fromEntries(compared) as Record<Name | OwnMetric, MetricComparison>;
}

function checkEvaluation(evaluation: Pick<Evaluation<unknown, string>, "records">): void {
  if (Array.isArray(evaluation?.records)) return;
  const got = evaluation instanceof Promise ? "a promise: await it" : shown(evaluation);
  throw new ConfigError(
    `compareEvaluations: expected what evaluate returned, or readEvaluation read from its runDir; got ${got}`,
  );
}

/** Pairs each record of `a` with the record of the same example in `b`. */
function pair<A>(
  a: readonly EvaluationRecord<A>[],
  b: readonly EvaluationRecord<A>[],
): (readonly [EvaluationRecord<A>, EvaluationRecord<A>])[] {
  const byId = new Map(b.map((record) => [record.exampleId, record]));
  const known = new Set(a.map(({ exampleId }) => exampleId));
  const onlyA = [...known].filter((id) => !byId.has(id));
  const onlyB = [...byId.keys()].filter((id) => !known.has(id));
  if (onlyA.length + onlyB.length > 0)
    throw new DataError(
      `expected evaluations of the same examples, got ${listed(onlyA) || "none"} in the first only and ${listed(onlyB) || "none"} in the second only`,
    );
  return a.map((record) => {
    const { exampleId, truth } = record;
    const other = byId.get(exampleId)!;
    if (canonical(truth) !== canonical(other.truth))
      throw new DataError(
        `expected one annotation of example ${exampleId}, got ${JSON.stringify(truth)} and ${JSON.stringify(other.truth)}`,
      );
    return [record, other];
  });
}

/** A value as JSON with sorted keys: another reader of the same data may name the labels in another order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** Compares a metric. @param both the metric of a's records and, after them, b's in the same order */
function compare(
  a: Measured,
  b: Measured,
  both: Measured,
  size: number,
  resampling: ResamplingOptions,
): MetricComparison {
  const drawn = new Uint32Array(2 * size);
  const once = new Uint32Array(size).fill(1);
  const unchanged = new Uint8Array(size);
  /** The metric of one side, with each example as often as its count says. */
  const sideValue = (side: 0 | 1, counts: Counts, isExchanged: Uint8Array) => {
    drawn.fill(0);
    for (let i = 0; i < size; i++) drawn[isExchanged[i] === side ? i : i + size] = counts[i]!;
    return both.weighted(drawn);
  };
  const difference = (counts: Counts, isExchanged: Uint8Array) =>
    sideValue(0, counts, isExchanged) - sideValue(1, counts, isExchanged);
  return {
    a: a.value,
    b: b.value,
    difference: a.value - b.value,
    interval: bootstrapInterval(size, (counts) => difference(counts, unchanged), resampling),
    pValue: exchangePValue(size, (isExchanged) => difference(once, isExchanged), resampling),
    ...(a.each && b.each && { examples: countBetter(a.each, b.each, a.lowerIsBetter) }),
  };
}

function countBetter(a: readonly number[], b: readonly number[], lowerIsBetter: boolean) {
  const signs = a.map((value, i) => Math.sign(lowerIsBetter ? b[i]! - value : value - b[i]!));
  const count = (wanted: number) => signs.filter((sign) => sign === wanted).length;
  return { aIsBetter: count(1), equal: count(0), bIsBetter: count(-1) };
}
