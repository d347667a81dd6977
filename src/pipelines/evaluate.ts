import type { VlmBackend } from "../backends/backend";
import { bootstrapInterval, type ResamplingOptions, withResamplingDefaults } from "../metrics/bootstrap";
import type { Metric, Metrics } from "../metrics/metric";
import { countRepairs } from "../metrics/repairs";
import { checkBooleans, checkOptions } from "../options";
import { deriveSeed } from "../rng";
import type { Task } from "../tasks/task";
import type { Example } from "../types";
import { openEvaluationDirectory } from "./evaluation-directory";
import { checkMetrics, type Evaluation, type EvaluationRecord, evaluationRecord, measure } from "./evaluation-records";
import { checkCounts, checkExamples, fingerprint, orderedBatch, promptsFingerprint } from "./examples";
import { evaluateNames } from "./option-names";
import { checkBackend } from "./owned";
import { generate } from "./sample-rollouts";

export interface EvaluateOptions<A, Name extends string> extends ResamplingOptions {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  readonly backend: VlmBackend;
  /** Such as `classificationMetrics` or `detectionMetrics` (none). */
  readonly metrics?: Readonly<Record<Name, Metric<A>>>;
  /** Tokens of an answer (512). */
  readonly maxTokens?: number;
  /** Prompts in one `generate` call (16). */
  readonly batchSize?: number;
  /** `generate` calls under way at the same time (1); more are of use to a backend that is somewhere else. */
  readonly concurrency?: number;
  /** Where records are written as they come; without it nothing is. */
  readonly runDir?: string;
  /** Go on with the evaluation in `runDir`, if there is one (false). Other metrics can be asked for then: no answer is lost by it. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Annotates a dataset greedily and compares with its annotations.
 *
 * An example's `metadata.category`, where it is a string, is the category that average precision is averaged over. Neither batches nor
 * concurrency nor interruptions change the result, as far as the backend's answers do not depend on them.
 *
 * @throws ConfigError, and DataError for a dataset that does not fit the task, before any compute is spent; CheckpointError for a `runDir` of
 * another task, dataset, backend, of other prompts or settings. When the backend throws, the calls under way are waited for; what they bring is kept
 */
export async function evaluate<A, Name extends string = never>(
  options: EvaluateOptions<A, Name>,
): Promise<Evaluation<A, Name>> {
  checkOptions("evaluate", options, evaluateNames);
  const { task, dataset, backend, maxTokens = 512, batchSize = 16, concurrency = 1, signal } = options;
  const { level, resamples, seed } = withResamplingDefaults("evaluate", options);
  const { metrics = {} as Metrics<A>, runDir, resume = false } = options;
  checkExamples(task, dataset);
  checkBackend(backend);
  checkCounts({ maxTokens, batchSize, concurrency });
  checkMetrics(metrics);
  checkBooleans("evaluate", { resume });
  const directory = await openEvaluationDirectory(runDir, describe(options), resume);
  try {
    const records = new Map<string, EvaluationRecord<A>>();
    for (const example of dataset) {
      const answer = directory.answers.get(example.id);
      if (answer) records.set(example.id, evaluationRecord(task, metrics, example, answer));
    }
    const missing = dataset.filter(({ id }) => !records.has(id));
    const batches = Array.from({ length: Math.ceil(missing.length / batchSize) }, (_, i) =>
      orderedBatch(missing, i, batchSize),
    );
    await allOf(batches, concurrency, async (batch) => {
      signal?.throwIfAborted();
      const answers = await generate(
        backend,
        batch.map((example) => task.answerPrompt(example)),
        { maxTokens, temperature: 0, seed: deriveSeed(seed, "evaluate"), ...(signal && { signal }) },
      );
      const made = batch.map((example, i) => evaluationRecord(task, metrics, example, answers[i]![0]!));
      await directory.append(made);
      for (const record of made) records.set(record.exampleId, record);
    });

    const ordered = dataset.map(({ id }) => records.get(id)!);
    const summary = summarise<A, Name>(ordered, metrics, { level, resamples, seed });
    await directory.finish(ordered, summary);
    return { ...summary, records: ordered };
  } finally {
    await directory.close();
  }
}

/** Works on all items, so many at a time. After a failure no more is begun, and what is under way is waited for. */
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

/** What decides the answers, for `config.json`. */
function describe<A, Name extends string>(options: EvaluateOptions<A, Name>): object {
  const { task, dataset, backend, maxTokens = 512, seed = 0 } = options;
  return {
    pipeline: "evaluate",
    task: task.name,
    dataset: fingerprint(dataset),
    prompts: promptsFingerprint(dataset.map((example) => task.answerPrompt(example))),
    policy: backend.name,
    ...(backend.weightsDigest && { weights: { sha256: backend.weightsDigest() } }),
    maxTokens,
    seed,
  };
}
