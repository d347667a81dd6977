import { differences, flatten } from "./claim";

/** The length of a run, and its settings in `config.json`. */
export interface RunLength {
  /**
   * The stages in order. `setting` names the option that gives a stage's steps, as in `config.json`; without it, they
   * follow from other options.
   */
  readonly stages: readonly { readonly steps: number; readonly setting?: string }[];
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
 * Whether a run is the one that `stored` describes, only longer: the settings and the learning rates of the stored
 * steps are the same, and no finished stage has more steps.
 * @param reached the newest step that the run has a checkpoint of
 */
export function isLonger({ stages, config }: RunLength, stored: unknown, reached: number): boolean {
  const there = flatten(stored);
  const steps = new Map<string, number>();
  /** Steps until the end of the first stage that has more of them now. */
  let end: number | undefined;
  let total = 0;
  for (const stage of stages) {
    if (stage.setting === undefined) continue;
    const before = Number(there.get(stage.setting));
    if (!(Number.isInteger(before) && before <= stage.steps)) return false;
    steps.set(stage.setting, before);
    total += before;
    if (before < stage.steps) end ??= total;
  }
  return end !== undefined && reached <= end && differences(stored, config(steps)).length === 0;
}
