import { differences, flatten } from "./claim";

/** The length of a run, and its settings in `config.json`. */
export interface RunLength {
  /**
   * The stages in order. `setting` names the option that gives a stage's steps, as in `config.json`; without it, they
   * follow from other options. A stage that does not train can be done again (true).
   */
  readonly stages: readonly {
    readonly steps: number;
    readonly setting?: string | undefined;
    readonly trains?: boolean;
  }[];
  /** Steps from one checkpoint to the next; there is always one at the end of a stage. */
  readonly checkpointEvery: number;
  /** `config.json` with other numbers of steps. */
  readonly config: (steps: ReadonlyMap<string, number>) => object;
}

/** The first step after this one, of all stages, at which a checkpoint is due. */
export function nextCheckpoint({ stages, checkpointEvery }: RunLength, step: number): number {
  let end = 0;
  for (const { steps } of stages) {
    end += steps;
    if (end > step) return Math.min(end, (Math.floor(step / checkpointEvery) + 1) * checkpointEvery);
  }
  return end;
}

/**
 * The step from which a run continues that is the one that `stored` describes, only longer: the settings and the
 * learning rates of the stored steps are the same. It is the newest step, or the end of the stage that has more steps
 * now if only stages that do not train came after it, which are then done again. A run that differs in more has no such
 * step.
 * @param reached the newest step that the run has a checkpoint of
 */
export function continuesFrom({ stages, config }: RunLength, stored: unknown, reached: number): number | undefined {
  const there = flatten(stored);
  const steps = new Map<string, number>();
  /** Steps until the end of the first stage that has more of them now. */
  let end: number | undefined;
  let total = 0;
  let isUndone = true;
  for (const { setting, steps: now, trains = true } of stages) {
    if (end !== undefined && trains && now > 0) isUndone = false;
    if (setting === undefined) continue;
    const before = Number(there.get(setting));
    if (!(Number.isInteger(before) && before <= now)) return undefined;
    steps.set(setting, before);
    total += before;
    if (before < now) end ??= total;
  }
  if (end === undefined || (reached > end && !isUndone) || differences(stored, config(steps)).length > 0)
    return undefined;
  return Math.min(reached, end);
}
