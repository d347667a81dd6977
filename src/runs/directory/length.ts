import { differences, flatten } from "./claim";

/** How long a run is, and how `config.json` says it. */
export interface RunLength {
  /**
   * In order. `setting` names the option that says its steps, as `config.json` has it; the other stages' lengths follow
   * from the rest.
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
 * Whether a run is the one that `stored` describes, only longer: the settings are the same, a schedule gives the rates
 * that it gave to the steps there were, and no stage has more steps that is over.
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
