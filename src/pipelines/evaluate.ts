import type { VlmBackend } from "../backends/backend";
import { readAnswer } from "../checks/format";
import { accuracy } from "../metrics/accuracy";
import { meanJensenShannonDivergence } from "../metrics/jsd";
import { meanAveragePrecision } from "../metrics/mean-average-precision";
import { meanIou } from "../metrics/mean-iou";
import type { Outcome } from "../metrics/outcome";
import { deriveSeed } from "../rng";
import type { Task } from "../tasks/task";
import type { Box, Example, LabelDistribution } from "../types";
import { checkCounts, checkExamples, orderedBatch } from "./examples";

/** A number for all examples together. */
export type Metric<A> = (outcomes: readonly Outcome<A>[]) => number;
export type Metrics<A> = Readonly<Record<string, Metric<A>>>;

/** What the paper reports for classification: mean JSD (Eq. 11, nats), the same in bits, accuracy of the likeliest label. */
export const classificationMetrics = {
  jsd: meanJensenShannonDivergence,
  jsdBits: (outcomes) => meanJensenShannonDivergence(outcomes, { unit: "bits" }),
  accuracy,
} as const satisfies Metrics<LabelDistribution>;

/** What the paper reports for detection, mAP at IoU 0.5; COCO's own mAP; mean matched IoU. */
export const detectionMetrics = {
  ap50: (outcomes) => meanAveragePrecision(outcomes).ap50,
  ap: (outcomes) => meanAveragePrecision(outcomes).ap,
  meanIou,
} as const satisfies Metrics<readonly Box[]>;

export interface EvaluateOptions<A, Name extends string> {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  readonly backend: VlmBackend;
  /** Such as `classificationMetrics` or `detectionMetrics` (none). */
  readonly metrics?: Readonly<Record<Name, Metric<A>>>;
  /** Tokens of an answer (512). */
  readonly maxTokens?: number;
  /** Prompts in one `generate` call (16). */
  readonly batchSize?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface EvaluationRecord<A> {
  readonly exampleId: string;
  readonly text: string;
  /** `null` where the text is not `<think>…</think><answer>…</answer>`. */
  readonly think: string | null;
  /** `null` where no answer can be read; every metric counts that as its worst value. */
  readonly prediction: A | null;
  /** What is wrong with the text. */
  readonly failure?: string;
}

export interface Evaluation<A, Name extends string> {
  /** `formatRate`, the share of answers without a failure, and every metric that was asked for. */
  readonly metrics: Readonly<Record<Name | "formatRate", number>>;
  /** In the order of the dataset. */
  readonly records: readonly EvaluationRecord<A>[];
}

/**
 * Annotates a dataset greedily and compares with its annotations.
 *
 * An example's `metadata.category`, where it is a string, is the category that average precision is averaged over.
 *
 * @throws DataError for a dataset that does not fit the task, before any compute is spent
 */
export async function evaluate<A, Name extends string = never>(
  options: EvaluateOptions<A, Name>,
): Promise<Evaluation<A, Name>> {
  const { task, dataset, backend, maxTokens = 512, batchSize = 16, seed = 0, signal } = options;
  checkExamples(task, dataset);
  checkCounts({ maxTokens, batchSize });
  const records: EvaluationRecord<A>[] = [];
  for (let step = 0; step * batchSize < dataset.length; step++) {
    signal?.throwIfAborted();
    const batch = orderedBatch(dataset, step, batchSize);
    const answers = await backend.generate(
      batch.map((example) => task.answerPrompt(example)),
      { maxTokens, temperature: 0, seed: deriveSeed(seed, "evaluate", step), ...(signal && { signal }) },
    );
    records.push(...batch.map(({ id }, i) => record(task, id, answers[i]![0]!.text)));
  }
  const outcomes = dataset.map(({ annotation, metadata }, i) => ({
    truth: annotation,
    prediction: records[i]!.prediction,
    ...(typeof metadata?.category === "string" && { category: metadata.category }),
  }));
  const asked: Metrics<A> = options.metrics ?? {};
  const values = Object.entries(asked).map(([name, metric]) => [name, metric(outcomes)] as const);
  const formatRate = records.filter(({ failure }) => failure === undefined).length / records.length;
  return { metrics: metricsOf<Name>([["formatRate", formatRate], ...values]), records };
}

function record<A>(task: Task<A>, exampleId: string, text: string): EvaluationRecord<A> {
  const { think, prediction, format } = readAnswer(text, task.parse);
  return { exampleId, text, think, prediction, ...(!format.ok && { failure: format.reason }) };
}

const metricsOf = <Name extends string>(entries: readonly (readonly [string, number])[]) =>
  Object.fromEntries(entries) as Record<Name | "formatRate", number>;
