import type { VlmBackend } from "../backend";
import { ConfigError } from "../errors";
import type { BestCheckpoint, RunEvent, StagePlan, StepMetrics, WorkProgress } from "../events";
import type { Spec } from "../options/spec";
import type { Sampled } from "../rollouts";
import { holdsRun } from "../runs/directory/claim";
import { openRunDirectory, type RunDirectory, trainedIn } from "../runs/directory/directory";
import { jsonl } from "../runs/directory/files";
import { type DisposableOption, withDisposable } from "../runs/disposable";
import { createRunFailures, type OnSampled } from "../runs/examples/failures";
import { fingerprint, policyIdentity } from "../runs/examples/fingerprints";
import { type ReadableExamples, readableExamples } from "../runs/examples/readable-examples";
import { untilInterrupted } from "../runs/interrupts";
import { checkLog, listenTo } from "../runs/progress/listen";
import { createRun, failedRun, type Run } from "../runs/run";
import type { RunSettings } from "../runs/run-options";
import { type InStep, runStages, type Stage, type StageState } from "../runs/stages";
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

/** A pipeline's name, its checked settings, and how to make it of the examples that can be read. */
export interface Plan<A, S extends PipelineSettings<A>, R, Own> {
  readonly name: string;
  readonly settings: S;
  readonly build: (readable: S, policy: Policy) => Pipeline<R, Own>;
  /** The result in a sentence, for the log. */
  readonly sum: (result: Own & RunResult) => string;
}

interface PipelineSettings<A> extends RunSettings<A> {
  readonly trainer?: DisposableOption<Trainer> | undefined;
  readonly backend?: DisposableOption<VlmBackend> | undefined;
}

/**
 * Makes the run of a pipeline. It checks the options at once; the run rejects if they are wrong, and Node reports that
 * although nobody awaits it.
 */
export function pipelineRun<A, S extends PipelineSettings<A>, R, Own extends object>(
  read: () => Plan<A, S, R, Own>,
): Run<RunEvent<R, Own & RunResult>, Own & RunResult> {
  type Event = RunEvent<R, Own & RunResult>;
  let plan: Plan<A, S, R, Own>;
  try {
    plan = read();
    checkLog(plan.settings.log);
  } catch (error) {
    return failedRun(error);
  }
  const { name, settings, sum } = plan;
  const { log: option, signal } = settings;
  return createRun<Event, Own & RunResult>((...call) => stoppable(plan, ...call), {
    signal,
    name,
    alwaysListens: Boolean(option),
    listen: () => listenTo<Own & RunResult>(name, option, sum),
  });
}

/** Runs a pipeline so that Ctrl-C stops it after a step, if the program leaves that to the run. */
async function* stoppable<A, S extends PipelineSettings<A>, R, Own extends object>(
  plan: Plan<A, S, R, Own>,
  signal: AbortSignal,
  tell: (event: WorkProgress) => void,
): AsyncGenerator<RunEvent<R, Own & RunResult>, Own & RunResult, void> {
  const { name, settings } = plan;
  const { trainer, backend, runDir, resume } = settings;
  if (typeof (trainer ?? backend) === "function") {
    // Nothing is loaded for a folder that is used.
    if (runDir !== undefined) await holdsRun(runDir, resume);
    tell({ type: "progress", work: "model", done: 0, total: 1 });
  }
  const run = (stop: AbortSignal | undefined) => {
    const stopping: Plan<A, S, R, Own> = { ...plan, settings: { ...settings, stop } };
    return trainer
      ? withDisposable({ where: name, name: "trainer", method: "backward" }, trainer, (made) =>
          alone(name, made, () => runPipeline(stopping, { backend: made.sampler(), trainer: made }, signal, tell)),
        )
      : withDisposable({ where: name, name: "backend", method: "generate" }, backend!, (made) =>
          runPipeline(stopping, { backend: made }, signal, tell),
        );
  };
  return yield* untilInterrupted(name, settings, { kept: "finished steps", underWay: "the step under way" }, run);
}

/** Trainers whose runs are under way. */
const busy = new WeakSet<Trainer>();

/** @throws ConfigError for a trainer of another run: each would save and measure what the other has learned */
async function* alone<Event, Result>(
  name: string,
  trainer: Trainer,
  run: () => AsyncGenerator<Event, Result, void>,
): AsyncGenerator<Event, Result, void> {
  if (busy.has(trainer))
    throw new ConfigError(
      `${name}: expected a trainer that no other run uses, got one whose run is under way; await that run first, or pass a function that makes a trainer`,
    );
  busy.add(trainer);
  try {
    return yield* run();
  } finally {
    busy.delete(trainer);
  }
}

/**
 * Runs a pipeline from its images to its result: reads every image, opens the directory, tries every stage, runs them,
 * and lets other processes into the directory.
 */
async function* runPipeline<A, S extends PipelineSettings<A>, R, Own extends object>(
  { settings, build }: Plan<A, S, R, Own>,
  policy: Policy,
  signal: AbortSignal,
  tell: (event: WorkProgress) => void,
): AsyncGenerator<RunEvent<R, Own & RunResult>, Own & RunResult, void> {
  const { backend, trainer } = policy;
  // Before the first step there is nothing to finish.
  const early = settings.stop ? AbortSignal.any([signal, settings.stop]) : signal;
  const { leftOut, ...examples }: ReadableExamples<A> = settings.preflight
    ? yield* readableExamples<A>(settings, backend, early, tell)
    : { dataset: settings.dataset, heldOut: settings.heldOut, leftOut: [] };
  const readable = { ...settings, ...examples };
  const { task, dataset, runDir, resume, checkpointEvery, keepCheckpoints, stop } = readable;
  const { stages, state, begin, end, ...own } = build(readable, policy);
  const identity = runDir === undefined ? "" : await policyIdentity(backend);
  const config = (steps: ReadonlyMap<string, number>) => ({ ...own.config(steps), policy: identity });
  const directory = await openRunDirectory(runDir, config(new Map()), {
    resume,
    keep: keepCheckpoints,
    length: { stages, checkpointEvery, config },
  });
  try {
    await directory.writeContext(dataset, backend);
    if (leftOut.length > 0) await directory.write("omitted.jsonl", () => jsonl(leftOut));
    await begin?.(directory);
    const step = directory.resumed?.step ?? 0;
    const tries = settings.preflight && dataset.length > 0 && !directory.resumed;
    yield { type: "run-start", stages: stages.map(planOf), checkpointEvery, step, preflight: tries };
    if (tries) yield* preflight({ stages, task, dataset, directory, signal: early, tell });
    yield* runStages(stages, { directory, state, trainer, checkpointEvery, stop, signal, tell });
    const result = { ...(await end(directory)), metrics: directory.metrics, ...trainedIn(directory) };
    yield { type: "run-end", result };
    return result;
  } finally {
    await directory.close();
  }
}

const planOf = ({ name, steps, trains, rollouts, heldOut }: Stage<unknown>): StagePlan => ({
  name,
  steps,
  trains,
  ...(rollouts !== undefined && { rollouts }),
  ...(heldOut !== undefined && { heldOut }),
});

/**
 * The settings that decide a run, for `config.json`: all but those that their spec marks `decides: false`, and, without
 * a trainer, those that it marks `decides: "training"`. Functions are known by their names, examples by a fingerprint.
 */
export function decidingSettings<A>(
  settings: RunSettings<A>,
  spec: () => Spec<object>,
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
  const entries = Object.entries(spec() as Readonly<Record<string, { meta(): { decides?: unknown } | undefined }>>)
    .filter(([name, schema]) => decides(name, schema.meta()?.decides))
    .map(([name]) => [name, typeof known[name] === "function" ? known[name].name : known[name]] as const);
  return Object.fromEntries(entries);
}

/** The options of sampling that a measurement of held-out examples passes on. */
export interface HeldOutSampling {
  readonly onSampled: OnSampled;
  readonly signal: AbortSignal;
  readonly at: InStep;
  readonly work: "held out";
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
  sample: (examples: readonly Example<A>[], held: HeldOutSampling) => Promise<readonly Sampled<R>[]>,
): Pick<Stage<R>, "evaluate" | "heldOut"> {
  if (settings.heldOut.length === 0) return {};
  return {
    heldOut: settings.heldOut.length,
    async evaluate(signal, at) {
      const failures = createRunFailures(`${where}: heldOut`, settings);
      const held = { onSampled: failures.onSampled, signal, at, work: "held out" } as const;
      const sampled = await sample(settings.heldOut, held);
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
