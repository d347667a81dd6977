import { NonFiniteError, TrainingError } from "../errors";
import type { PreflightReport, RunEvent, StepMetrics } from "../events";
import type { Sampled } from "../rollouts";
import type { Trainer } from "../trainer";
import type { RunDirectory } from "./directory/directory";
import { type GuardWarning, guardWarnings, whatToTry } from "./guards";
import { updatesOf } from "./updates";

/** A part of a run that is made of steps. */
export interface Stage<Rollout> {
  readonly name: string;
  readonly steps: number;
  /** The option that says how many, as `config.json` has it. */
  readonly setting?: string;
  /** Whether its steps change the policy. */
  readonly trains: boolean;
  /**
   * Does one step, from 0 in this stage: everything it draws is a function of the seed and this number, everything it remembers is in
   * the run's `Memory`.
   */
  run(step: number, signal: AbortSignal): Promise<StepOutcome<Rollout>>;
  /** Tries a step before the run begins, without learning from it. */
  rehearse?(signal: AbortSignal): Promise<Rehearsal>;
  /** What the policy does with held-out examples, under names that begin with `eval_`; asked at every checkpoint. */
  evaluate?(signal: AbortSignal): Promise<EvaluationMetrics>;
}

/** What a stage does once before the run, to fail at once if it must fail. */
export interface Rehearsal {
  readonly report: PreflightReport;
  /** Completions of its example; none where the stage samples nothing. */
  readonly sampled: readonly Sampled<{ readonly prediction: unknown }>[];
}

export interface EvaluationMetrics {
  /** Decides which checkpoint is the best. */
  readonly eval_reward: number;
  readonly [metric: string]: number;
}

export interface StepOutcome<Rollout> {
  readonly rollouts: readonly SampledRow<Rollout>[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly warnings?: readonly GuardWarning[];
}

/** A rollout and what else its row of `rollouts.jsonl` says. */
export interface SampledRow<Rollout> {
  readonly rollout: Rollout;
  readonly advantage?: number;
  /** What the policy was shown, as text. */
  readonly prompt: string;
  /** The example's annotation. */
  readonly truth: unknown;
}

/** What steps hand on to later steps, besides the policy: JSON that a checkpoint keeps. */
export interface Memory {
  save(): unknown;
  load(state: unknown): void;
}

export interface StageOptions {
  readonly directory: RunDirectory;
  readonly memory: Memory;
  readonly trainer: Trainer | undefined;
  /** Steps from one checkpoint to the next; there is always one at the end of a stage. */
  readonly checkpointEvery: number;
  /** Finishes the step under way, writes a checkpoint, and stops. */
  readonly stop: AbortSignal | undefined;
  /** Stops as soon as possible. */
  readonly signal: AbortSignal;
}

/**
 * Runs stages one after the other, from where the directory's last checkpoint left off: each step's rows go to its files and its events
 * to whoever iterates. An abort takes effect between steps, and inside one wherever the backend or trainer notices.
 *
 * An error in a step leaves a checkpoint of the last step that was finished, if the policy is still as that step left it: no finished step is
 * lost, and the error's message says where it is.
 *
 * @throws TrainingError for a number that is not finite, before it gets into a file or a checkpoint
 */
export async function* runStages<Rollout>(
  stages: readonly Stage<Rollout>[],
  { directory, memory, trainer, checkpointEvery, stop, signal }: StageOptions,
): AsyncGenerator<RunEvent<Rollout, never>, void, void> {
  const totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
  const { step: from = 0, damaged = [] } = directory.resumed ?? {};
  const resumed = directory.resumed?.state as SavedState | undefined;
  if (resumed) memory.load(resumed.memory);
  const saved = directory.policy();
  if (saved !== undefined) await trainer?.load(saved);
  for (const message of damaged) yield { type: "warning", guard: "damaged-checkpoint", step: from, message };

  let at = { stage: "", step: 0 };
  /** Whether the policy is that of the newest checkpoint. */
  let isSaved = true;
  /** The last finished step, where no checkpoint has it yet. */
  let unsaved: FinishedStep | undefined;
  try {
    for (const stage of stages) {
      for (let index = 0; index < stage.steps; index++) {
        at = { stage: stage.name, step: at.step + 1 };
        const { step } = at;
        const unmeasured = step === from ? resumed?.unmeasured : undefined;
        if (step <= from && !unmeasured) continue;
        signal.throwIfAborted();
        stop?.throwIfAborted();
        const isRegular = step % checkpointEvery === 0 || index === stage.steps - 1;
        const started = performance.now();
        const outcome = unmeasured ? { ...unmeasured, rollouts: [] } : await stage.run(index, signal);
        const timeMs = unmeasured?.timeMs ?? performance.now() - started;
        checkFinite(outcome.metrics);
        const rows = outcome.rollouts.map(({ rollout, advantage, prompt, truth }) =>
          rolloutRow({ ...at, prompt, truth, ...rollout, advantage }),
        );
        if (stage.trains) isSaved = false;
        const finished = { step, updates: updatesOf(trainer), memory: memory.save() };
        // At regular checkpoints only: where a run was stopped must not show in its metrics.
        const evaluate = isRegular ? stage.evaluate : undefined;
        if (evaluate) unsaved = unmeasured ? undefined : { ...finished, rows, unmeasured: { ...outcome, timeMs } };
        const evaluated = await evaluate?.(signal);
        const metrics: StepMetrics = { ...at, ...outcome.metrics, ...evaluated };
        checkFinite(metrics);
        // From here on the files are no longer those of the step before.
        unsaved = undefined;
        await directory.append("rollouts", rows);
        await directory.append("metrics", [metrics]);
        await directory.append("timings", [{ ...at, step_time: timeMs / 1000 }]);
        unsaved = finished;

        const ofStage = directory.metrics.filter((row) => row.stage === stage.name);
        const warnings = stage.trains ? guardWarnings(ofStage) : [];
        for (const warning of [...(outcome.warnings ?? []), ...warnings]) yield { type: "warning", step, ...warning };
        for (const { rollout, advantage } of outcome.rollouts)
          yield { type: "rollout-end", ...at, rollout, ...(advantage !== undefined && { advantage }) };
        yield { type: "step-end", ...at, totalSteps, metrics, timeMs };
        const isStopped = stop?.aborted === true;
        if (!isRegular && !isStopped) continue;
        // A checkpoint that cannot be written now is not tried a second time.
        unsaved = undefined;
        const reward = evaluated?.eval_reward;
        const policy = isSaved ? undefined : trainer;
        const path = await directory.checkpoint(step, stateOf(finished), {
          trainer: policy,
          reward,
          isStop: !isRegular,
        });
        isSaved = true;
        if (path !== undefined) yield { type: "checkpoint-end", step, path };
        if (isStopped && step < totalSteps) stop?.throwIfAborted();
      }
    }
  } catch (error) {
    // Weights that went too far may first be seen in what they write.
    const isOfWeights = trainer !== undefined && error instanceof NonFiniteError;
    const isGood = !isOfWeights && !signal.aborted && unsaved?.updates === updatesOf(trainer);
    const policy = isSaved ? undefined : trainer;
    const kept = isGood && unsaved ? await keep(directory, unsaved, policy) : {};
    if (unsaved && kept.path) yield { type: "checkpoint-end", step: unsaved.step, path: kept.path };
    if (isOfWeights || error instanceof TrainingError) {
      const advice = whatToTry(directory.policy(), { isCulprit: isOfWeights && isSaved });
      throw new TrainingError(`${at.stage}, step ${at.step}: ${error.message}. ${advice}${kept.problem ?? ""}`, {
        cause: error,
      });
    }
    if (error instanceof Error) say(error, kept.message ?? kept.problem);
    throw error;
  }
}

/** A step that has been done. */
interface FinishedStep {
  readonly step: number;
  /** Updates that the policy had then. */
  readonly updates: number;
  /** The run's memory then. */
  readonly memory: unknown;
  /** The rows of its rollouts, if they are not written yet. */
  readonly rows?: readonly object[];
  readonly unmeasured?: Unmeasured;
}

/** A step whose held-out examples could not be measured; a resumed run measures them first. */
interface Unmeasured {
  readonly metrics: Readonly<Record<string, number>>;
  readonly timeMs: number;
}

/** What a checkpoint holds, besides the policy. */
interface SavedState {
  readonly memory: unknown;
  readonly unmeasured?: Unmeasured;
}

const stateOf = ({ memory, unmeasured }: FinishedStep): SavedState => ({
  memory,
  ...(unmeasured && { unmeasured: { metrics: unmeasured.metrics, timeMs: unmeasured.timeMs } }),
});

/** Writes the checkpoint that a stop would have written. An error in doing so does not hide the one that it is written for. */
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
    return { path, message: `. The steps up to ${step} are saved in ${path}: resume: true goes on from there` };
  } catch (error) {
    return { problem: `. The steps since the last checkpoint could not be saved: ${(error as Error).message}` };
  }
}

/** Adds to an error's message; the error is the one that was thrown, and of its class. */
function say(error: Error, addition: string | undefined): void {
  const { message, stack } = error;
  if (addition === undefined || !Object.getOwnPropertyDescriptor(error, "message")?.writable) return;
  error.message = message + addition;
  // It begins with the message, and is what Node prints of an error that nobody catches.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
}

function checkFinite(metrics: Readonly<Record<string, number | string>>): void {
  for (const [name, value] of Object.entries(metrics))
    if (name !== "stage" && !Number.isFinite(value)) throw new TrainingError(`expected a finite ${name}, got ${value}`);
}

/** A rollout as `rollouts.jsonl` has it: all but token ids and log-probs, which would be most of the file. */
function rolloutRow(row: object): object {
  return JSON.parse(
    JSON.stringify(row, (key, value) =>
      /^(tokenIds|logProbs|samplingLogProbs|temperedLogProbs)$/.test(key) ? undefined : value,
    ),
  );
}
