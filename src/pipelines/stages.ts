import { NonFiniteError, TrainingError } from "../errors";
import type { Trainer } from "../trainers/trainer";
import type { RunEvent, StepMetrics } from "./events";
import { guardWarnings, whatToTry } from "./guards";
import type { Rehearsal } from "./preflight";
import type { RunDirectory } from "./run-directory";

/** A part of a run that is made of steps. */
export interface Stage<Rollout> {
  readonly name: string;
  readonly steps: number;
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

export interface EvaluationMetrics {
  /** Decides which checkpoint is the best. */
  readonly eval_reward: number;
  readonly [metric: string]: number;
}

export interface StepOutcome<Rollout> {
  readonly rollouts: readonly SampledRow<Rollout>[];
  readonly metrics: Readonly<Record<string, number>>;
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
 * @throws TrainingError for a number that is not finite, before it gets into a file or a checkpoint
 */
export async function* runStages<Rollout>(
  stages: readonly Stage<Rollout>[],
  { directory, memory, trainer, checkpointEvery, stop, signal }: StageOptions,
): AsyncGenerator<RunEvent<Rollout, never>, void, void> {
  const totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
  const { step: from = 0, damaged = [] } = directory.resumed ?? {};
  if (directory.resumed) memory.load(directory.resumed.state);
  const saved = directory.policy();
  if (saved !== undefined) await trainer?.load(saved);
  for (const problem of damaged) {
    const message = `a newer checkpoint is left aside, because ${problem}`;
    yield { type: "warning", guard: "damaged-checkpoint", step: from, message };
  }

  let finished = 0;
  let isSaved = true;
  for (const stage of stages) {
    for (let index = 0; index < stage.steps; index++) {
      finished++;
      if (finished <= from) continue;
      signal.throwIfAborted();
      stop?.throwIfAborted();
      const isRegular = finished % checkpointEvery === 0 || index === stage.steps - 1;
      const at = { stage: stage.name, step: finished };
      const started = performance.now();
      const advised = <T>(work: () => Promise<T>) =>
        withAdvice(at, { isTrained: trainer !== undefined, weights: directory.policy(), isSaved }, work);
      const outcome = await advised(() => stage.run(index, signal));
      const timeMs = performance.now() - started;
      // At regular checkpoints only: where a run was stopped must not show in its metrics.
      const evaluated = isRegular ? await advised(async () => stage.evaluate?.(signal)) : undefined;
      const metrics: StepMetrics = { ...at, ...outcome.metrics, ...evaluated };
      await advised(async () => checkFinite(metrics));
      await directory.append(
        "rollouts",
        outcome.rollouts.map(({ rollout, advantage, prompt, truth }) =>
          rolloutRow({ ...at, prompt, truth, ...rollout, advantage }),
        ),
      );
      await directory.append("metrics", [metrics]);
      await directory.append("timings", [{ ...at, step_time: timeMs / 1000 }]);
      if (stage.trains) isSaved = false;

      const ofStage = directory.metrics.filter((row) => row.stage === stage.name);
      const warnings = stage.trains ? guardWarnings(ofStage) : [];
      for (const warning of warnings) yield { type: "warning", step: finished, ...warning };
      for (const { rollout, advantage } of outcome.rollouts)
        yield { type: "rollout-end", ...at, rollout, ...(advantage !== undefined && { advantage }) };
      yield { type: "step-end", ...at, totalSteps, metrics, timeMs };
      const isStopped = stop?.aborted === true;
      if (!isRegular && !isStopped) continue;
      const path = await advised(() =>
        directory.checkpoint(finished, memory.save(), {
          trainer: isSaved ? undefined : trainer,
          reward: evaluated?.eval_reward,
          isStop: !isRegular,
        }),
      );
      isSaved = true;
      if (path !== undefined) yield { type: "checkpoint-end", step: finished, path };
      if (isStopped && finished < totalSteps) stop?.throwIfAborted();
    }
  }
}

function checkFinite({ stage: _, step: __, ...metrics }: StepMetrics): void {
  for (const [name, value] of Object.entries(metrics))
    if (!Number.isFinite(value)) throw new TrainingError(`expected a finite ${name}, got ${value}`);
}

/** Says where training went wrong, what is left, and what to try. */
async function withAdvice<T>(
  { stage, step }: { readonly stage: string; readonly step: number },
  policy: {
    readonly isTrained: boolean;
    /** Directory of the newest saved ones. */
    readonly weights: string | undefined;
    /** Whether the step began with those. */
    readonly isSaved: boolean;
  },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // Weights that went too far may first be seen in what they write.
    const isOfWeights = policy.isTrained && cause instanceof NonFiniteError;
    if (!(cause instanceof TrainingError) && !isOfWeights) throw cause;
    const advice = whatToTry(policy.weights, { isCulprit: isOfWeights && policy.isSaved });
    throw new TrainingError(`${stage}, step ${step}: ${cause.message}. ${advice}`, { cause });
  }
}

/** A rollout as `rollouts.jsonl` has it: all but token ids and log-probs, which would be most of the file. */
function rolloutRow(row: object): object {
  return JSON.parse(
    JSON.stringify(row, (key, value) =>
      /^(tokenIds|logProbs|samplingLogProbs|temperedLogProbs)$/.test(key) ? undefined : value,
    ),
  );
}
