import type { VlmBackend } from "../backend";
import type { BestCheckpoint, RunEvent, StepMetrics } from "../events";
import type { Spec } from "../options/spec";
import type { Sampled } from "../rollouts";
import { openRunDirectory, type RunDirectory, trainedIn } from "../runs/directory/directory";
import { createRunFailures, type OnSampled } from "../runs/examples/failures";
import { fingerprint, policyIdentity } from "../runs/examples/fingerprints";
import { readableExamples } from "../runs/examples/readable-examples";
import type { RunSettings } from "../runs/run-options";
import { runStages, type Stage, type StageState } from "../runs/stages";
import { rolloutMetrics } from "../runs/step-metrics";
import type { Trainer } from "../trainer";
import type { Example } from "../types";
import { preflight } from "./preflight";

/** The model of a run: its sampler, and its trainer if it can be trained. */
export interface Policy {
  readonly backend: VlmBackend;
  readonly trainer?: Trainer;
}

/** The parts in which pipelines differ. */
export interface Pipeline<R, Own> {
  readonly stages: readonly Stage<R>[];
  readonly state: StageState;
  /** `config.json` without the policy, if the stages have other numbers of steps, by their settings' names. */
  readonly config: (steps: ReadonlyMap<string, number>) => object;
  /** Does its part before the first step. */
  readonly begin?: (directory: RunDirectory) => Promise<void>;
  /** Does its part after the last step, and returns its part of the result. */
  readonly end: (directory: RunDirectory) => Promise<Own>;
}

/** The result of any pipeline. */
export interface RunResult {
  readonly metrics: readonly StepMetrics[];
  /** Directory of the trained weights, in `runDir`. */
  readonly adapter?: string;
  /** The checkpoint with the highest reward on `heldOut`. */
  readonly best?: BestCheckpoint;
}

/**
 * Runs a pipeline from its images to its result: reads every image, opens the directory, tries every stage, runs them,
 * and lets other processes into the directory.
 *
 * @param build makes the pipeline of the readable examples
 */
export async function* runPipeline<A, S extends RunSettings<A>, R, Own extends object>(
  settings: S,
  { backend, trainer }: Policy,
  signal: AbortSignal,
  build: (settings: S) => Pipeline<R, Own>,
): AsyncGenerator<RunEvent<R, Own & RunResult>, Own & RunResult, void> {
  const readable = settings.preflight
    ? { ...settings, ...(yield* readableExamples<A>(settings, backend, signal)) }
    : settings;
  const { task, dataset, runDir, resume, checkpointEvery, keepCheckpoints, stop } = readable;
  const { stages, state, begin, end, ...own } = build(readable);
  const policy = runDir === undefined ? "" : await policyIdentity(backend);
  const config = (steps: ReadonlyMap<string, number>) => ({ ...own.config(steps), policy });
  const directory = await openRunDirectory(runDir, config(new Map()), {
    resume,
    keep: keepCheckpoints,
    length: { stages, checkpointEvery, config },
  });
  try {
    await directory.writeContext(dataset);
    await begin?.(directory);
    if (settings.preflight && !directory.resumed) yield* preflight({ stages, task, dataset, directory, signal });
    yield* runStages(stages, { directory, state, trainer, checkpointEvery, stop, signal });
    const result = { ...(await end(directory)), metrics: directory.metrics, ...trainedIn(directory) };
    yield { type: "run-end", result };
    return result;
  } finally {
    await directory.close();
  }
}

/**
 * The settings that decide a run, for `config.json`: all but those that their spec marks `decides: false`, and, without
 * a trainer, those that it marks `decides: "training"`. Functions are known by their names, examples by a fingerprint.
 */
export function decidingSettings<A>(
  settings: RunSettings<A>,
  spec: Spec<object>,
  { trainer }: Policy,
): Readonly<Record<string, unknown>> {
  const { task, dataset, heldOut } = settings;
  const known: Readonly<Record<string, unknown>> = {
    ...settings,
    task: task.name,
    dataset: fingerprint(dataset),
    heldOut: heldOut.length > 0 ? fingerprint(heldOut) : undefined,
  };
  const decides = (name: string, marked: unknown) =>
    marked !== false && (marked !== "training" || trainer !== undefined) && known[name] !== undefined;
  const entries = Object.entries(spec as Readonly<Record<string, { meta(): { decides?: unknown } | undefined }>>)
    .filter(([name, schema]) => decides(name, schema.meta()?.decides))
    .map(([name]) => [name, typeof known[name] === "function" ? known[name].name : known[name]] as const);
  return Object.fromEntries(entries);
}

/**
 * Makes the measure of held-out examples: `eval_reward`, `eval_rise/similarity`, … An example that could not be sampled
 * earns 0.
 *
 * @param sample draws one greedy rollout of each
 * @returns nothing if there are no such examples
 */
export function heldOutEvaluation<A, R>(
  where: string,
  settings: RunSettings<A>,
  rewardName: string,
  sample: (
    examples: readonly Example<A>[],
    onSampled: OnSampled,
    signal: AbortSignal,
  ) => Promise<readonly Sampled<R>[]>,
): Pick<Stage<R>, "evaluate"> {
  if (settings.heldOut.length === 0) return {};
  return {
    async evaluate(signal) {
      const failures = createRunFailures(`${where}: heldOut`, settings);
      const sampled = await sample(settings.heldOut, failures.onSampled, signal);
      const failed = failures.drain().length;
      const { reward = 0, ...metrics } = sampled.length === 0 ? {} : rolloutMetrics(sampled, rewardName);
      return {
        eval_reward: failed === 0 ? reward : (reward * sampled.length) / (sampled.length + failed),
        ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value])),
        ...(failed > 0 && { "eval_rise/failed_examples": failed }),
      };
    },
  };
}
