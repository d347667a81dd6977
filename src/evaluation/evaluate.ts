import { bootstrapInterval, type ResamplingOptions, resamplingSpec } from "../metrics/bootstrap";
import type { Metric, Metrics } from "../metrics/metric";
import { countRepairs } from "../metrics/repairs";
import { counted, listed } from "../options/display";
import { flag, given, readOptions, type Settings, specOf, text } from "../options/spec";
import { promptText } from "../prompts/prompt-text";
import { deriveSeed } from "../rng";
import { writeContext, writePrompts } from "../runs/directory/context";
import { idsOf, proveShard, shardOf, shardOption } from "../runs/directory/shards";
import { checkExamples } from "../runs/examples/check-examples";
import { createFailures, type FailureOptions } from "../runs/examples/failures";
import { answersIdentity, fingerprint } from "../runs/examples/fingerprints";
import { checkIdle } from "../runs/run-options";
import { type Log, openLog } from "../terminal/log";
import { shortNumber } from "../terminal/text";
import type { Example } from "../types";
import { answerEach } from "./answer-each";
import { type EvaluationDirectory, openEvaluationDirectory } from "./directory";
import {
  checkMetrics,
  type Evaluation,
  type EvaluationRecord,
  evaluationRecord,
  hasFailed,
  measure,
  metricsOption,
  tryMetrics,
} from "./records";
import { type AnswerOptions, answerSpec, failureSpec } from "./spec-parts";

/** Options of `evaluate`. */
export interface EvaluateOptions<A, Name extends string>
  extends AnswerOptions<A>,
    ResamplingOptions,
    Omit<FailureOptions, "onFailure"> {
  readonly dataset: readonly Example<A>[];
  /** Metrics beside `formatRate` and `similarity`: `classificationMetrics`, `detectionMetrics` or your own (none). */
  readonly metrics?: Readonly<Record<Name, Metric<A>>>;
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
  /**
   * The part of the dataset that this process answers, such as `"3/16"` (all of it). Every part needs a `runDir` of its
   * own; `mergeShards` joins them, and `evaluate` with `resume` then measures the whole.
   */
  readonly shard?: string;
}

export const evaluateSpec = specOf<EvaluateOptions<unknown, never>>()(() => ({
  ...answerSpec(),
  dataset: given("an array of examples").describe("The examples to answer"),
  metrics: metricsOption().describe("Metrics by name, beside formatRate and similarity"),
  runDir: text().optional().describe("Folder where records are written as they come"),
  resume: flag().default(false).describe("Resume the evaluation in `runDir`, if there is one"),
  ...failureSpec(),
  onFailure: failureSpec().onFailure.describe("The treatment of an example for which the backend fails"),
  retryFailed: flag().default(false).describe("With `resume`: ask again for every example that failed"),
  shard: shardOption().describe('The part of the dataset that this process answers, such as "3/16"; all without it'),
  ...resamplingSpec(),
}));

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
  const whole = readOptions("evaluate", options, evaluateSpec);
  const { task, level, resamples, seed, metrics, runDir, resume, retryFailed, onFailure, shard } = whole;
  checkExamples(task, whole.dataset);
  checkMetrics("evaluate", metrics);
  tryMetrics("evaluate", metrics, whole.dataset);
  checkIdle("evaluate", options);
  // The caller's list may change while the call is under way.
  const dataset = [...shardOf(whole.dataset, shard)];
  const log = openLog("evaluate", whole.log);
  const directory = await openEvaluationDirectory(runDir, runDir === undefined ? {} : await describe(whole), resume);
  try {
    if (runDir !== undefined) {
      await writeContext(runDir, dataset, whole.backend);
      if (dataset[0]) await writePrompts(runDir, { answer: promptText(task.answerPrompt(dataset[0])) });
    }
    const records = new Map<string, EvaluationRecord<A>>();
    for (const example of dataset) {
      const answer = directory.answers.get(example.id);
      const isAskedAgain = answer && hasFailed(answer) && (retryFailed || answer.isTemporary === true);
      if (answer && !isAskedAgain) records.set(example.id, evaluationRecord(task, metrics, example, answer));
    }
    const tally = createTally(log, dataset.length, [...records.values()]);
    await answerMissing({ ...whole, dataset }, directory, records, tally);
    const ordered = dataset.map(({ id }) => records.get(id)!);
    const counted = onFailure === "exclude" ? ordered.filter((record) => !hasFailed(record)) : ordered;
    const summary = {
      ...(dataset.length === 0 ? unmeasured : summarise<A, Name>(counted, metrics, { level, resamples, seed })),
      failures: ordered.filter(hasFailed).length,
    };
    await directory.finish(ordered, summary);
    await proveShard(whole, { all: idsOf(whole.dataset), own: idsOf(dataset), rows: idsOf(dataset) });
    log.close(resultOf(summary.metrics, ordered));
    return { ...summary, records: ordered };
  } finally {
    log.close();
    await directory.close();
  }
}

/** Asks for the answers that `records` lacks, and adds them to it and to the directory as they come. */
async function answerMissing<A, Name extends string>(
  settings: EvaluateSettings<A, Name>,
  directory: EvaluationDirectory,
  records: Map<string, EvaluationRecord<A>>,
  tally: (made: readonly EvaluationRecord<A>[]) => void,
): Promise<void> {
  const { task, dataset, metrics, seed } = settings;
  const failures = createFailures("evaluate", settings);
  const isAnswered = () => [...records.values()].some((record) => !hasFailed(record));
  const missing = dataset.filter(({ id }) => !records.has(id));
  const promptOf = (example: Example<A>) => task.answerPrompt(example);
  const asking = { ...settings, promptOf, failures, hasAnswers: isAnswered(), seed: deriveSeed(seed, "evaluate") };
  await answerEach(missing, asking, async (answered) => {
    const made = answered.map(({ item, answer }) => evaluationRecord(task, metrics, item, answer));
    await directory.append(made);
    for (const record of made) records.set(record.exampleId, record);
    tally(made);
  });
  if (!isAnswered()) failures.checkAny();
}

/** The metrics of a shard without examples. */
const unmeasured = { metrics: {}, intervals: {}, repairs: {} } as never;

/** Tells a log how many examples have an answer, and how good the answers are so far. */
function createTally<A>(log: Log, total: number, known: readonly EvaluationRecord<A>[]) {
  let [done, failed, readable, similarity] = [0, 0, 0, 0];
  const tally = (made: readonly EvaluationRecord<A>[]) => {
    for (const record of made) {
      done++;
      if (hasFailed(record)) failed++;
      if (record.failure === undefined) readable++;
      similarity += record.metrics.similarity!;
    }
    const rates =
      done === 0
        ? []
        : ([
            ["similarity", similarity / done],
            ["readable", readable / done],
          ] as const);
    const figures = [...rates, ...(failed > 0 ? [["failed", failed] as const] : [])];
    log.tell({ type: "progress", part: "examples", done, total, figures });
  };
  tally(known);
  return tally;
}

/** The result in a sentence, for a log. */
function resultOf<A>(metrics: Readonly<Record<string, number>>, records: readonly EvaluationRecord<A>[]): string {
  const failed = records.filter(hasFailed);
  const failures = failed.map(({ exampleId, failure }) => `${exampleId}: ${failure}`);
  const values = Object.entries(metrics).map(([name, value]) => `${name} ${shortNumber(value)}`);
  return `${values.join(", ")}${failed.length === 0 ? "" : `; ${failed.length} of ${counted(records.length, "example")} failed: ${listed(failures, "; ", 3)}`}`;
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
async function describe<A, Name extends string>(settings: EvaluateSettings<A, Name>): Promise<object> {
  const { task, dataset, seed, shard } = settings;
  const prompts = dataset.map((example) => task.answerPrompt(example));
  return {
    pipeline: "evaluate",
    task: task.name,
    dataset: fingerprint(dataset),
    ...(await answersIdentity(prompts, settings)),
    seed,
    ...(shard !== undefined && { shard }),
  };
}
