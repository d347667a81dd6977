import { readAnswer } from "../checks/format";
import { BackendError, ConfigError } from "../errors";
import { type Counts, type Interval, weightedMean } from "../metrics/bootstrap";
import { type Metrics, weightedMetric } from "../metrics/metric";
import { type Outcome as Judgeable, numberOf } from "../metrics/outcome";
import { given } from "../options/spec";
import type { Outcome } from "../runs/generate";
import type { Task } from "../task";
import type { Example, FinishReason, FormatCheck } from "../types";

/** A model's answer to one example, judged: a row of `records.jsonl`. */
export interface EvaluationRecord<A> {
  readonly exampleId: string;
  /** Empty if the example failed. */
  readonly text: string;
  /** `"length"`: the text was cut off. `"error"`: the example failed and brought no text. */
  readonly finishReason: FinishReason | "error";
  /** The backend's words beside the text; absent if it said nothing. */
  readonly remark?: string;
  /** The reasons; `null` if the text is not `<think>…</think><answer>…</answer>`. */
  readonly think: string | null;
  /** The annotation in the answer; `null` if it cannot be read, which every metric counts as its worst value. */
  readonly prediction: A | null;
  readonly truth: A;
  /** `metadata.category` of the example, the category that average precision is averaged over. */
  readonly category?: string;
  /** S(A, Â), 0 without a prediction, and the example's own value of every metric that is a mean over examples. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The fault of the text, or why the example failed. */
  readonly failure?: string;
  /** The example failed, but may succeed in a later try, which `resume` makes. */
  readonly isTemporary?: true;
  /** The faults that were overlooked to read the answer; absent if there were no faults. */
  readonly repairs?: readonly string[];
}

/** The metrics of every evaluation: the share of answers without a failure, and the mean of S(A, Â). */
export type OwnMetric = "formatRate" | "similarity";

export const metricsOption = () => given("functions by name, such as classificationMetrics", areByName).default({});

const areByName = (metrics: unknown) =>
  typeof metrics === "object" &&
  metrics !== null &&
  !Array.isArray(metrics) &&
  Object.values(metrics).every((metric) => typeof metric === "function");

/** Checks the names of metrics. @throws ConfigError for a name that every evaluation uses itself */
export function checkMetrics(where: string, metrics: Metrics<never>): void {
  const taken = ["formatRate", "similarity"].find((name) => Object.hasOwn(metrics, name));
  if (taken !== undefined)
    throw new ConfigError(`${where}: expected metrics to have other names than every evaluation's own, got "${taken}"`);
}

/**
 * Tries metrics on a truth, so that those of another kind of task are refused before anything is answered.
 * @throws ConfigError naming the metric
 */
export function tryMetrics<A>(where: string, metrics: Metrics<A>, [example]: readonly Example<A>[]): void {
  if (!example) return;
  const { annotation } = example;
  for (const [name, metric] of Object.entries(metrics))
    try {
      const outcome = { truth: annotation, prediction: annotation };
      numberOf(name, metric([outcome]));
      if (metric.each) numberOf(`${name}.each`, metric.each(outcome));
    } catch (error) {
      // Another error may come from a single example alone, such as one without boxes.
      if (error instanceof ConfigError)
        throw new ConfigError(`${where}: expected metrics.${name} to be a metric of this task: ${error.message}`);
    }
}

/** The result of an evaluation: metrics, their intervals, and a record of each example. */
export interface Evaluation<A, Name extends string> {
  readonly metrics: Readonly<Record<Name | OwnMetric, number>>;
  /** The confidence interval of each metric over examples: `bootstrapInterval`. */
  readonly intervals: Readonly<Record<Name | OwnMetric, Interval>>;
  /** Examples that failed; `onFailure` says whether the metrics count them. */
  readonly failures: number;
  /**
   * Numbers of answers that could only be read by overlooking a fault, or have odd coordinates, by the kind of fault:
   * `countRepairs`.
   */
  readonly repairs: Readonly<Record<string, number>>;
  /** In the order of the dataset. */
  readonly records: readonly EvaluationRecord<A>[];
}

/** The sources of a record; the rest of it follows from the example. */
export type Answer = Pick<EvaluationRecord<unknown>, "text" | "finishReason" | "remark" | "failure" | "isTemporary">;

export const failedAnswer = (error: Error): Answer => ({
  text: "",
  finishReason: "error",
  failure: error.message,
  ...(error instanceof BackendError && error.scope === "moment" && { isTemporary: true }),
});

export const answerOf = (outcome: Outcome): Answer => {
  if (outcome instanceof Error) return failedAnswer(outcome);
  const { text, finishReason, remark } = outcome[0]!;
  return { text, finishReason, ...(remark !== undefined && { remark }) };
};

export const hasFailed = ({ finishReason }: Pick<Answer, "finishReason">): boolean => finishReason === "error";

export function evaluationRecord<A>(
  task: Task<A>,
  metrics: Metrics<A>,
  { id, annotation, metadata }: Example<A>,
  answer: Answer,
): EvaluationRecord<A> {
  const { text, finishReason, remark, isTemporary } = answer;
  const { think, prediction, format, repairs } = readAnswer(text, task);
  const category = metadata?.category;
  const outcome = { truth: annotation, prediction, ...(typeof category === "string" && { category }) };
  const own = Object.entries(metrics).flatMap(([name, { each }]) => (each ? [[name, each(outcome)] as const] : []));
  const similarity = prediction === null ? 0 : task.similarity(annotation, prediction);
  return {
    exampleId: id,
    text,
    finishReason,
    ...(remark !== undefined && { remark }),
    think,
    ...outcome,
    metrics: { similarity, ...Object.fromEntries(own) },
    ...(hasFailed(answer) ? { failure: answer.failure! } : failureOf(format, remark)),
    ...(isTemporary && { isTemporary }),
    ...(repairs.length > 0 && { repairs }),
  };
}

/** The fault of a text, and the backend's remark on it. */
export const failureOf = (format: FormatCheck, remark: string | undefined): { readonly failure?: string } =>
  format.ok ? {} : { failure: remark === undefined ? format.reason : `${format.reason}; ${remark}` };

export interface Measured {
  readonly value: number;
  /** The value of every record, if the metric is their mean. */
  readonly each?: readonly number[];
  /** The value if record i occurs counts[i] times. */
  readonly weighted: (counts: Counts) => number;
  readonly lowerIsBetter: boolean;
}

/** Computes all metrics of some records. @throws DataError for a metric that these records do not have */
export function measure<A>(
  records: readonly EvaluationRecord<A>[],
  metrics: Metrics<A>,
): ReadonlyMap<string, Measured> {
  const outcomes: readonly Judgeable<A>[] = records;
  const mean = (each: readonly number[]): Measured => ({
    value: each.reduce((sum, value) => sum + value, 0) / each.length,
    each,
    weighted: weightedMean(each),
    lowerIsBetter: false,
  });
  return new Map([
    ["formatRate", mean(records.map(({ failure }) => (failure === undefined ? 1 : 0)))],
    ["similarity", mean(records.map((record) => record.metrics.similarity!))],
    ...Object.entries(metrics).map(([name, metric]): [string, Measured] => {
      const { each, lowerIsBetter = false } = metric;
      const weighted = weightedMetric(metric, outcomes);
      return [name, { value: metric(outcomes), ...(each && { each: outcomes.map(each) }), weighted, lowerIsBetter }];
    }),
  ]);
}
