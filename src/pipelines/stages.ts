import type { Trainer } from "../trainers/trainer";
import type { RunEvent, StepMetrics } from "./events";
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
}

export interface StepOutcome<Rollout> {
  readonly rollouts: readonly { readonly rollout: Rollout; readonly advantage?: number }[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
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
  readonly signal: AbortSignal;
}

/**
 * Runs stages one after the other, from where the directory's last checkpoint left off: each step's rows go to its files and its events
 * to whoever iterates. An abort takes effect between steps, and inside one wherever the backend or trainer notices.
 */
export async function* runStages<Rollout>(
  stages: readonly Stage<Rollout>[],
  { directory, memory, trainer, checkpointEvery, signal }: StageOptions,
): AsyncGenerator<RunEvent<Rollout, never>, void, void> {
  const totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
  const from = directory.resumed?.step ?? 0;
  if (directory.resumed) memory.load(directory.resumed.state);
  const saved = directory.policy();
  if (saved !== undefined) await trainer?.load(saved);

  let finished = 0;
  let isSaved = true;
  for (const stage of stages) {
    for (let index = 0; index < stage.steps; index++) {
      finished++;
      if (finished <= from) continue;
      signal.throwIfAborted();
      const started = performance.now();
      const outcome = await stage.run(index, signal);
      const timeMs = performance.now() - started;
      const at = { stage: stage.name, step: finished };
      const metrics: StepMetrics = { ...at, ...outcome.metrics };
      await directory.append(
        "rollouts",
        outcome.rollouts.map(({ rollout, advantage }) => rolloutRow({ ...at, ...rollout, advantage })),
      );
      await directory.append("metrics", [metrics]);
      await directory.append("timings", [{ ...at, step_time: timeMs / 1000 }]);
      if (stage.trains) isSaved = false;

      for (const message of outcome.warnings) yield { type: "warning", ...at, message };
      for (const rollout of outcome.rollouts) yield { type: "rollout-end", ...at, ...rollout };
      yield { type: "step-end", ...at, totalSteps, metrics, timeMs };
      if (finished % checkpointEvery === 0 || index === stage.steps - 1) {
        const path = await directory.checkpoint(finished, memory.save(), isSaved ? undefined : trainer);
        isSaved = true;
        if (path !== undefined) yield { type: "checkpoint-end", step: finished, path };
      }
    }
  }
}

/** A rollout as `rollouts.jsonl` has it: all but token ids and log-probs, which would be most of the file. */
function rolloutRow(row: object): object {
  return JSON.parse(
    JSON.stringify(row, (key, value) => (/^(tokenIds|logProbs|samplingLogProbs)$/.test(key) ? undefined : value)),
  );
}
