import { EngineError, NonFiniteError, TrainingError } from "../errors";
import type { PreflightReport, RunEvent, StepMetrics, WorkProgress } from "../events";
import type { Sampled } from "../rollouts";
import type { Trainer } from "../trainer";
import type { PromptTexts } from "./directory/context";
import type { RunDirectory } from "./directory/directory";
import { type GuardWarning, guardWarnings, whatToTry } from "./guards";
import { updatesOf } from "./updates";

/** A part of a run that is made of steps. */
export interface Stage<Rollout> {
  readonly name: string;
  readonly steps: number;
  /** The option that gives their number, as `config.json` names it. */
  readonly setting?: string | undefined;
  /** Whether its steps change the policy. */
  readonly trains: boolean;
  readonly rollouts?: number;
  /**
   * Does one step, from 0 in this stage. Everything it draws is a function of the seed and this number, and everything
   * it remembers is in the run's `StageState`.
   */
  run(step: number, signal: AbortSignal, at: InStep): Promise<StepOutcome<Rollout>>;
  /** Tries a step before the run begins, without learning from it. */
  readonly tryOut?: ((signal: AbortSignal) => Promise<Trial>) | undefined;
  /** Measures the policy on held-out examples at every checkpoint, under names that begin with `eval_`. */
  readonly evaluate?: ((signal: AbortSignal, at: InStep) => Promise<EvaluationMetrics>) | undefined;
  readonly heldOut?: number | undefined;
}

/** The place of some work in its run. */
export interface InStep {
  /** Names stage and step in errors. */
  readonly where: string;
  /** Says how far the work is. */
  readonly tell: (work: WorkProgress["work"], done: number, total: number) => void;
}

/** The trial of a stage before the run, which fails at once if the stage must fail. */
export interface Trial {
  readonly report: PreflightReport;
  /** Completions of its example; empty if the stage does not sample. */
  readonly sampled: readonly Sampled<{ readonly prediction: unknown }>[];
}

export interface EvaluationMetrics {
  /** Decides which checkpoint is the best. */
  readonly eval_reward: number;
  readonly [metric: string]: number;
}

export interface StepOutcome<Rollout> {
  readonly rollouts: readonly SampledRow<Rollout>[];
  /** Prompts of the step as text, one of each kind. */
  readonly prompts?: PromptTexts;
  readonly metrics: Readonly<Record<string, number>>;
  readonly warnings?: readonly GuardWarning[];
}

/** A rollout, and the rest of its row in `rollouts.jsonl`. */
export interface SampledRow<Rollout> {
  readonly rollout: Rollout;
  readonly advantage?: number;
  /** The prompt as text. */
  readonly prompt: string;
  /** The example's annotation. */
  readonly truth: unknown;
}

/** The state that steps pass to later steps, besides the policy: JSON that a checkpoint keeps. */
export interface StageState {
  save(): unknown;
  load(state: unknown): void;
}

export interface StageOptions {
  readonly directory: RunDirectory;
  readonly state: StageState;
  readonly trainer: Trainer | undefined;
  /** Steps from one checkpoint to the next; there is always one at the end of a stage. */
  readonly checkpointEvery: number;
  /** Finishes the step under way, writes a checkpoint, and stops. */
  readonly stop: AbortSignal | undefined;
  /** Stops as soon as possible. */
  readonly signal: AbortSignal;
  /** Hears how far the work within a step is. */
  readonly tell?: (progress: WorkProgress) => void;
}

/**
 * Runs stages one after the other, from the directory's last checkpoint on: each step's rows are written to its files,
 * and its events are yielded. An abort takes effect between steps, and inside one as soon as the backend or trainer
 * notices.
 *
 * An error in a step leaves a checkpoint of the last finished step, if the policy is still as that step left it: no
 * finished step is lost, and the error's message names the checkpoint.
 *
 * @throws TrainingError for a number that is not finite, before it reaches a file or a checkpoint
 */
export async function* runStages<Rollout>(
  stages: readonly Stage<Rollout>[],
  options: StageOptions,
): AsyncGenerator<RunEvent<Rollout, never>, void, void> {
  const { directory, state, trainer, stop, signal } = options;
  const totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
  const { step: from = 0, damaged = [] } = directory.resumed ?? {};
  const resumed = directory.resumed?.state as SavedState | undefined;
  if (resumed) state.load(resumed.memory);
  const saved = directory.policy();
  if (saved !== undefined) await trainer?.load(saved);
  for (const message of damaged) yield { type: "warning", guard: "damaged-checkpoint", step: from, message };

  const begun = { atMs: performance.now(), tookMs: 0 };
  const progress: Progress = { at: { stage: "", step: 0 }, isSaved: true, unsaved: undefined, saved: begun };
  try {
    for (const stage of stages) {
      for (let index = 0; index < stage.steps; index++) {
        progress.at = { stage: stage.name, step: progress.at.step + 1 };
        const { step } = progress.at;
        const unmeasured = step === from ? resumed?.unmeasured : undefined;
        if (step <= from && !unmeasured) continue;
        signal.throwIfAborted();
        stop?.throwIfAborted();
        const done = await doStep(stage, index, unmeasured, progress, options);
        yield* eventsOf(stage, done, progress.at, totalSteps, directory);
        const isStopped = stop?.aborted === true;
        if (!done.isRegular && !isStopped && !isOverdue(progress)) continue;
        const path = await saveStep(done, progress, options);
        if (path !== undefined) yield { type: "checkpoint-end", step, path };
        if (isStopped && step < totalSteps) stop?.throwIfAborted();
      }
    }
  } catch (error) {
    throw yield* afterError(error, progress, options);
  }
}

/** The place of a run between its steps. */
interface Progress {
  at: { readonly stage: string; readonly step: number };
  /** Whether the newest checkpoint holds the policy. */
  isSaved: boolean;
  /** The last finished step, until a checkpoint has it. */
  unsaved: FinishedStep | undefined;
  /** When the newest checkpoint was written, and how long that took. */
  saved: { readonly atMs: number; readonly tookMs: number };
}

/** The longest time without a checkpoint, and the largest share of a run that these checkpoints may take. */
const longestUnsavedMs = 600_000;
const mostSaving = 1 / 20;

/**
 * Whether so much time would be lost now that a checkpoint is written as for a stop: it is not measured, no row shows
 * it, and the next regular one removes it. So the clock decides nothing that the run computes.
 */
const isOverdue = ({ saved }: Progress): boolean =>
  performance.now() - saved.atMs > Math.max(longestUnsavedMs, saved.tookMs / mostSaving);

interface DoneStep<Rollout> {
  readonly outcome: StepOutcome<Rollout>;
  readonly finished: FinishedStep;
  readonly metrics: StepMetrics;
  readonly timeMs: number;
  /** Whether a checkpoint is due; if not, one is written only to stop. */
  readonly isRegular: boolean;
  readonly reward: number | undefined;
}

/** Does a step, or only the measurement of held-out examples that it lacks, and writes its rows. */
async function doStep<Rollout>(
  stage: Stage<Rollout>,
  index: number,
  unmeasured: Unmeasured | undefined,
  progress: Progress,
  { directory, state, trainer, checkpointEvery, signal, tell = () => {} }: StageOptions,
): Promise<DoneStep<Rollout>> {
  const { at } = progress;
  const inStep: InStep = {
    where: `${at.stage}, step ${at.step}`,
    tell: (work, done, total) => tell({ type: "progress", work, done, total, ...at }),
  };
  const isRegular = at.step % checkpointEvery === 0 || index === stage.steps - 1;
  const started = performance.now();
  const outcome = unmeasured ? { ...unmeasured, rollouts: [] } : await stage.run(index, signal, inStep);
  const timeMs = unmeasured?.timeMs ?? performance.now() - started;
  checkFinite(outcome.metrics);
  const rows = outcome.rollouts.map(({ rollout, advantage, prompt, truth }) =>
    rolloutRow({ ...at, prompt, truth, ...rollout, advantage }),
  );
  if (stage.trains) progress.isSaved = false;
  const finished = { step: at.step, updates: updatesOf(trainer), memory: state.save() };
  // Only regular checkpoints are measured: the metrics must not show where a run was stopped.
  const evaluate = isRegular ? stage.evaluate : undefined;
  if (evaluate) progress.unsaved = unmeasured ? undefined : { ...finished, rows, unmeasured: { ...outcome, timeMs } };
  // A step whose measurement fails is not done again.
  if (outcome.prompts) await directory.writePrompts(outcome.prompts);
  const evaluated = await evaluate?.(signal, inStep);
  const metrics: StepMetrics = { ...at, ...outcome.metrics, ...evaluated };
  checkFinite(metrics);
  // From here on the files differ from those of the step before.
  progress.unsaved = undefined;
  await directory.append("rollouts", rows);
  await directory.append("metrics", [metrics]);
  const peakMemory = 1024 * process.resourceUsage().maxRSS;
  await directory.append("timings", [{ ...at, step_time: timeMs / 1000, peak_memory: peakMemory }]);
  progress.unsaved = finished;
  return { outcome, finished, metrics, timeMs, isRegular, reward: evaluated?.eval_reward };
}

function* eventsOf<Rollout>(
  stage: Stage<Rollout>,
  { outcome, metrics, timeMs }: DoneStep<Rollout>,
  at: Progress["at"],
  totalSteps: number,
  directory: RunDirectory,
): Generator<RunEvent<Rollout, never>, void, void> {
  const ofStage = directory.metrics.filter((row) => row.stage === stage.name);
  const warnings = stage.trains ? guardWarnings(ofStage) : [];
  for (const warning of [...(outcome.warnings ?? []), ...warnings])
    yield { type: "warning", step: at.step, ...warning };
  for (const { rollout, advantage } of outcome.rollouts)
    yield { type: "rollout-end", ...at, rollout, ...(advantage !== undefined && { advantage }) };
  yield { type: "step-end", ...at, totalSteps, metrics, timeMs };
}

/** Writes the checkpoint of a step. A checkpoint that cannot be written now is not tried a second time. */
async function saveStep(
  { finished, reward, isRegular }: DoneStep<unknown>,
  progress: Progress,
  { directory, trainer }: StageOptions,
): Promise<string | undefined> {
  progress.unsaved = undefined;
  const began = performance.now();
  const path = await directory.checkpoint(finished.step, stateOf(finished), {
    trainer: progress.isSaved ? undefined : trainer,
    reward,
    isStop: !isRegular,
  });
  progress.isSaved = true;
  progress.saved = { atMs: performance.now(), tookMs: performance.now() - began };
  return path;
}

/** Saves the last finished step if that is safe, and returns the error to throw, which says so. */
async function* afterError(
  error: unknown,
  { at, isSaved, unsaved }: Progress,
  { directory, trainer, signal }: StageOptions,
): AsyncGenerator<RunEvent<never, never>, unknown, void> {
  // Completions may be the first to show weights that went too far.
  const isOfWeights = trainer !== undefined && error instanceof NonFiniteError;
  const isGood =
    !isOfWeights && !(error instanceof EngineError) && !signal.aborted && unsaved?.updates === updatesOf(trainer);
  const kept = isGood && unsaved ? await keep(directory, unsaved, isSaved ? undefined : trainer) : {};
  if (unsaved && kept.path) yield { type: "checkpoint-end", step: unsaved.step, path: kept.path };
  if (isOfWeights || error instanceof TrainingError) {
    const advice = whatToTry(directory.policy(), { isCulprit: isOfWeights && isSaved });
    const message = `${at.stage}, step ${at.step}: ${error.message}. ${advice}${kept.problem ?? ""}`;
    return new TrainingError(message, { cause: error });
  }
  if (error instanceof Error) say(error, kept.message ?? kept.problem);
  return error;
}

interface FinishedStep {
  readonly step: number;
  /** Updates of the policy at its end. */
  readonly updates: number;
  /** The run's state at its end. */
  readonly memory: unknown;
  /** The rows of its rollouts, until they are written. */
  readonly rows?: readonly object[];
  readonly unmeasured?: Unmeasured;
}

/** A step whose held-out examples could not be measured; a resumed run measures them first. */
interface Unmeasured {
  readonly metrics: Readonly<Record<string, number>>;
  readonly timeMs: number;
}

/** The content of a checkpoint, besides the policy. */
interface SavedState {
  readonly memory: unknown;
  readonly unmeasured?: Unmeasured;
}

const stateOf = ({ memory, unmeasured }: FinishedStep): SavedState => ({
  memory,
  ...(unmeasured && { unmeasured: { metrics: unmeasured.metrics, timeMs: unmeasured.timeMs } }),
});

/** Writes the checkpoint that a stop would have written. An error in doing so does not hide the first error. */
async function keep(
  directory: RunDirectory,
  finished: FinishedStep,
  trainer: Trainer | undefined,
): Promise<{ readonly path?: string; readonly message?: string; readonly problem?: string }> {
  const { step, rows = [] } = finished;
  try {
    await directory.append("rollouts", rows);
    const path = await directory.checkpoint(step, stateOf(finished), { trainer, isStop: true });
    if (path === undefined) return {};
    return { path, message: `. The steps up to ${step} are saved in ${path}; resume them with resume: true` };
  } catch (error) {
    return { problem: `. The steps since the last checkpoint could not be saved: ${(error as Error).message}` };
  }
}

/** Adds to an error's message, and keeps the error and its class. */
function say(error: Error, addition: string | undefined): void {
  const { message, stack } = error;
  if (addition === undefined || !Object.getOwnPropertyDescriptor(error, "message")?.writable) return;
  error.message = message + addition;
  // The stack begins with the message, and Node prints it if nobody catches the error.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
}

function checkFinite(metrics: Readonly<Record<string, number | string>>): void {
  for (const [name, value] of Object.entries(metrics))
    if (name !== "stage" && !Number.isFinite(value)) throw new TrainingError(`expected a finite ${name}, got ${value}`);
}

/**
 * A rollout's row in `rollouts.jsonl`, whose completions lack token ids and log-probs, which would fill most of the
 * file. An annotation may have keys of these names.
 */
function rolloutRow(row: object): object {
  const withoutTokens = function (this: object, key: string, value: unknown) {
    const isLong = "finishReason" in this && /^(tokenIds|logProbs|samplingLogProbs|temperedLogProbs)$/.test(key);
    return isLong ? undefined : value;
  };
  return JSON.parse(JSON.stringify(row, withoutTokens));
}
