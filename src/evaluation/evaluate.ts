import type { VlmBackend } from "../backend";
import { bootstrapInterval, type ResamplingOptions, resamplingSpec } from "../metrics/bootstrap";
import type { Metric, Metrics } from "../metrics/metric";
import { countRepairs } from "../metrics/repairs";
import { count, flag, given, readOptions, type Settings, type Spec, text } from "../options/spec";
import { deriveSeed } from "../rng";
import { writeContext } from "../runs/directory/context";
import { orderedBatch } from "../runs/examples/batches";
import { checkExamples } from "../runs/examples/check-examples";
import { createFailures, type FailureOptions } from "../runs/examples/failures";
import { fingerprint, policyIdentity, promptsFingerprint } from "../runs/examples/fingerprints";
import { generateEach, type Outcome } from "../runs/generate";
import type { Task } from "../task";
import type { Example } from "../types";
import { type EvaluationDirectory, openEvaluationDirectory } from "./directory";
import {
  checkMetrics,
  type Evaluation,
  type EvaluationRecord,
  evaluationRecord,
  failedAnswer,
  hasFailed,
  measure,
  metricsOption,
} from "./records";
import { backendOption, failureSpec, signalOption, taskOption } from "./spec-parts";

export interface EvaluateOptions<A, Name extends string> extends ResamplingOptions, Omit<FailureOptions, "onFailure"> {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  readonly backend: VlmBackend;
  /** Metrics beside `formatRate` and `similarity`: `classificationMetrics`, `detectionMetrics` or your own (none). */
  readonly metrics?: Readonly<Record<Name, Metric<A>>>;
  /** Tokens of an answer (512). */
  readonly maxTokens?: number;
  /** Prompts in one `generate` call (16). */
  readonly batchSize?: number;
  /** `generate` calls under way at the same time (1). More help if the backend is a server. */
  readonly concurrency?: number;
  /** The folder where records are written as they come. Without it, nothing is written. */
  readonly runDir?: string;
  /**
   * Resumes the evaluation in `runDir`, if there is one (false). The metrics may differ then: the answers are kept.
   */
  readonly resume?: boolean;
  /**
   * The treatment of an example for which the backend fails, such as a prompt that a filter refuses or an image that
   * cannot be read ("record"):
   * - `"record"`: its record says why, every metric counts it as its worst value, and the others continue
   * - `"exclude"`: the same, except that the metrics leave it out; `failures` counts them
   * - `"throw"`: the call throws; earlier answers are kept
   *
   * A failure that concerns every example always throws: a wrong key, an unknown model, a server that is down.
   */
  readonly onFailure?: "record" | "exclude" | "throw";
  /**
   * With `resume`, asks again for every example that failed (false). Otherwise it asks only for those whose failure may
   * pass, such as an overloaded server; a refused prompt keeps its record.
   */
  readonly retryFailed?: boolean;
  readonly signal?: AbortSignal;
}

export const evaluateSpec = {
  task: taskOption().describe("What an annotation is, and how the model is asked for it"),
  dataset: given("an array of examples").describe("The examples to answer"),
  backend: backendOption().describe("The model that answers"),
  metrics: metricsOption().describe("Metrics by name, beside formatRate and similarity"),
  maxTokens: count().default(512).describe("Tokens of an answer"),
  batchSize: count().default(16).describe("Prompts in one `generate` call"),
  concurrency: count().default(1).describe("`generate` calls under way at the same time"),
  runDir: text().optional().describe("Folder where records are written as they come"),
  resume: flag().default(false).describe("Resume the evaluation in `runDir`, if there is one"),
  ...failureSpec,
  onFailure: failureSpec.onFailure.describe("The treatment of an example for which the backend fails"),
  retryFailed: flag().default(false).describe("With `resume`: ask again for every example that failed"),
  ...resamplingSpec,
  signal: signalOption().describe("Ends the call while it is under way"),
} satisfies Spec<EvaluateOptions<unknown, never>>;

type EvaluateSettings<A, Name extends string> = Settings<EvaluateOptions<A, Name>, typeof evaluateSpec>;

/**
 * Annotates a dataset greedily, and compares the answers with its annotations.
 *
 * An example's `metadata.category`, if it is a string, is the category that average precision is averaged over.
 * Batches, concurrency and interruptions do not change the result, unless the backend's answers depend on them.
 *
 * @throws ConfigError, and DataError for a dataset that does not fit the task, before any compute is spent;
 * CheckpointError for a `runDir` with another task, dataset, backend, prompts or settings; BackendError or DataError
 * for a failure that concerns every example, too many in a row, or all of them. It then waits for the calls under way,
 * and keeps every answer that came
 * @example
 * const { metrics, intervals } = await evaluate({ task, dataset, backend, metrics: classificationMetrics });
 */
export async function evaluate<A, Name extends string = never>(
  options: EvaluateOptions<A, Name>,
): Promise<Evaluation<A, Name>> {
  const settings = readOptions("evaluate", options, evaluateSpec);
  const { task, dataset, level, resamples, seed, metrics, runDir, resume, retryFailed, onFailure } = settings;
  checkExamples(task, dataset);
  checkMetrics("evaluate", metrics);
  const directory = await openEvaluationDirectory(runDir, runDir === undefined ? {} : await describe(settings), resume);
  try {
    if (runDir !== undefined) await writeContext(runDir, dataset);
    const records = new Map<string, EvaluationRecord<A>>();
    for (const example of dataset) {
      const answer = directory.answers.get(example.id);
      const isAskedAgain = answer && hasFailed(answer) && (retryFailed || answer.isTemporary === true);
      if (answer && !isAskedAgain) records.set(example.id, evaluationRecord(task, metrics, example, answer));
    }
    await answerMissing(settings, directory, records);
    const ordered = dataset.map(({ id }) => records.get(id)!);
    const counted = onFailure === "exclude" ? ordered.filter((record) => !hasFailed(record)) : ordered;
    const summary = {
      ...summarise<A, Name>(counted, metrics, { level, resamples, seed }),
      failures: ordered.filter(hasFailed).length,
    };
    await directory.finish(ordered, summary);
    return { ...summary, records: ordered };
  } finally {
    await directory.close();
  }
}

/** Asks for the answers that `records` lacks, and adds them to it and to the directory as they come. */
async function answerMissing<A, Name extends string>(
  settings: EvaluateSettings<A, Name>,
  directory: EvaluationDirectory,
  records: Map<string, EvaluationRecord<A>>,
): Promise<void> {
  const { task, dataset, backend, maxTokens, batchSize, concurrency, seed, metrics, signal } = settings;
  const missing = dataset.filter(({ id }) => !records.has(id));
  const batches = Array.from({ length: Math.ceil(missing.length / batchSize) }, (_, i) =>
    orderedBatch(missing, i, batchSize),
  );
  const failures = createFailures("evaluate", settings);
  const keep = async (made: readonly EvaluationRecord<A>[]) => {
    await directory.append(made);
    for (const record of made) records.set(record.exampleId, record);
  };
  // Failures in a row may be the server's: they count as the examples' once an answer follows.
  let doubtful: EvaluationRecord<A>[] = [];
  const take = async (example: Example<A>, outcome: Outcome) => {
    if (outcome instanceof Error) {
      doubtful.push(evaluationRecord(task, metrics, example, failedAnswer(outcome)));
      return failures.failed(example.id, outcome);
    }
    failures.succeeded();
    const made = [...doubtful, evaluationRecord(task, metrics, example, outcome[0]!)];
    doubtful = [];
    await keep(made);
  };
  await allOf(batches, concurrency, async (batch) => {
    signal?.throwIfAborted();
    const prompts = batch.map((example) => task.answerPrompt(example));
    const sampling = { maxTokens, temperature: 0, seed: deriveSeed(seed, "evaluate"), ...(signal && { signal }) };
    await generateEach(backend, prompts, sampling, (i, outcome) => take(batch[i]!, outcome));
  });
  if (![...records.values()].some((record) => !hasFailed(record))) failures.checkAny();
  await keep(doubtful);
}

/** Works on all items, `atOnce` at a time. After a failure it begins no more, and waits for the work under way. */
async function allOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let hasFailed = false;
  const worker = async () => {
    for (const item of waiting) {
      if (hasFailed) return;
      await work(item).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

function summarise<A, Name extends string>(
  records: readonly EvaluationRecord<A>[],
  metrics: Metrics<A>,
  resampling: ResamplingOptions,
) {
  const measured = [...measure(records, metrics)];
  return {
    metrics: Object.fromEntries(measured.map(([name, { value }]) => [name, value])),
    intervals: Object.fromEntries(
      measured.map(([name, { weighted }]) => [name, bootstrapInterval(records.length, weighted, resampling)]),
    ),
    repairs: countRepairs(records),
  } as Pick<Evaluation<A, Name>, "metrics" | "intervals" | "repairs">;
}

/** The settings that decide the answers, for `config.json`. */
async function describe<A, Name extends string>({
  task,
  dataset,
  backend,
  maxTokens,
  seed,
}: EvaluateSettings<A, Name>): Promise<object> {
  return {
    pipeline: "evaluate",
    task: task.name,
    dataset: fingerprint(dataset),
    prompts: promptsFingerprint(dataset.map((example) => task.answerPrompt(example))),
    policy: await policyIdentity(backend),
    ...(backend.weightsDigest && { weights: { sha256: backend.weightsDigest() } }),
    maxTokens,
    seed,
  };
}
