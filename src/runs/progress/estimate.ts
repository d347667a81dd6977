import type { RunEvent, StagePlan } from "../../events";

/** Estimates how long a run still takes, from its events and a clock. */
export interface Estimate {
  hear(event: RunEvent<unknown, unknown>, nowMs: number): void;
  /** Seconds from the last event until the end of all stages; `undefined` before the first step is over. */
  secondsLeft(): number | undefined;
}

/** A stage, and the times that were measured in it. */
interface Measured extends StagePlan {
  /** Steps of the stages before it. */
  readonly before: number;
  done: number;
  readonly stepMs: number[];
  readonly heldOutMs: number[];
  readonly saveMs: number[];
}

/**
 * The rest of a stage takes what its later steps, measurements and checkpoints took each; the first steps are slow,
 * since graphs are compiled. A stage that has not begun takes what preflight measured, in proportion to what that was
 * worth for the stage before; or, if it only samples, what a rollout took so far.
 */
export function createEstimate(): Estimate {
  let stages: Measured[] = [];
  let checkpointEvery = 1;
  const triedMs = new Map<string, number>();
  const rolloutMs: number[] = [];
  const begun = { rollouts: 0, heldOut: 0, stepEnd: 0, step: 0 };
  /** The last event, and the stage whose step it belongs to. */
  let last: { readonly at: number; readonly stage?: string | undefined } = { at: 0 };
  const of = (name: string) => stages.find((stage) => stage.name === name);
  return {
    hear(event, now) {
      last = { at: now, stage: event.type === "progress" ? event.stage : undefined };
      if (event.type === "preflight-end") triedMs.set(event.report.stage, 1000 * event.report.estimatedSeconds);
      if (event.type === "run-start") {
        stages = planned(event.stages, event.step);
        ({ checkpointEvery } = event);
      }
      if (event.type === "progress" && event.work === "rollouts") {
        if (event.done === 0) begun.rollouts = now;
        else if (event.done === event.total) remember(rolloutMs, (now - begun.rollouts) / event.total);
      }
      if (event.type === "progress" && event.work === "held out" && event.done === 0) begun.heldOut = now;
      if (event.type === "step-end") {
        const stage = of(event.stage);
        if (stage) {
          // A resumed run may first measure the step that it resumes after.
          stage.done = event.step - stage.before;
          remember(stage.stepMs, event.timeMs);
          if (begun.heldOut > 0) remember(stage.heldOutMs, now - begun.heldOut);
        }
        Object.assign(begun, { heldOut: 0, stepEnd: now, step: now });
      }
      if (event.type === "checkpoint-end") {
        const stage = stages.findLast(({ done }) => done > 0);
        if (stage) remember(stage.saveMs, now - begun.stepEnd);
        begun.step = now;
      }
    },
    secondsLeft() {
      if (!stages.some(({ stepMs }) => stepMs.length > 0)) return undefined;
      const known = stages.findLast(({ stepMs, name }) => stepMs.length > 1 && triedMs.has(name));
      const worth = known ? (later(known.stepMs) * known.steps) / triedMs.get(known.name)! : 1;
      const perRollout = rolloutMs.length > 0 ? later(rolloutMs) : undefined;
      const saves = stages.flatMap(({ saveMs }) => saveMs);
      const saveMs = saves.length > 0 ? mean(saves) : 0;
      const left = stages.reduce((sum, stage) => {
        const stepMs = stepMsOf(stage, triedMs.get(stage.name), worth, perRollout);
        const checkpointMs = saveMs + heldOutMsOf(stage, perRollout);
        // A step under way has done a part of its time.
        const done = stage.name === last.stage ? Math.min(last.at - begun.step, stepMs) : 0;
        return sum + (stage.steps - stage.done) * stepMs - done + checkpointsOf(stage, checkpointEvery) * checkpointMs;
      }, 0);
      return left / 1000;
    },
  };
}

function planned(stages: readonly StagePlan[], step: number): Measured[] {
  let before = 0;
  return stages.map((stage) => {
    const first = before;
    const done = Math.min(Math.max(step - before, 0), stage.steps);
    before += stage.steps;
    return { ...stage, before: first, done, stepMs: [], heldOutMs: [], saveMs: [] };
  });
}

/** A stage's first step compiles graphs, so it is an upper bound where there is another guess. */
function stepMsOf(
  { stepMs, ...stage }: Measured,
  triedMs: number | undefined,
  worth: number,
  perRollout?: number,
): number {
  if (stepMs.length > 1) return later(stepMs);
  const guess = guessedStepMs(stage, triedMs, worth, perRollout);
  return Math.min(guess ?? stepMs[0] ?? 0, stepMs[0] ?? Number.POSITIVE_INFINITY);
}

function guessedStepMs(
  { trains, rollouts, steps }: StagePlan,
  triedMs: number | undefined,
  worth: number,
  perRollout: number | undefined,
): number | undefined {
  if (!trains && rollouts !== undefined && perRollout !== undefined) return rollouts * perRollout;
  return triedMs === undefined ? undefined : (worth * triedMs) / Math.max(steps, 1);
}

function heldOutMsOf({ heldOut = 0, heldOutMs }: Measured, perRollout = 0): number {
  return heldOutMs.length > 0 ? mean(heldOutMs) : perRollout * heldOut;
}

/** The checkpoints that a stage has before it: the regular ones, and one at its end. */
function checkpointsOf({ steps, done }: Measured, every: number): number {
  if (done >= steps) return 0;
  const regular = (upTo: number) => Math.floor(upTo / every);
  return regular(steps) - regular(done) + (steps % every === 0 ? 0 : 1);
}

/** Measurements that are remembered: a run may have many steps, and the pace of today counts. */
const remembered = 100;

function remember(values: number[], value: number): void {
  values.push(value);
  if (values.length > remembered) values.shift();
}

/** The mean of the later half. */
const later = (values: readonly number[]): number => mean(values.slice(Math.floor(values.length / 2)));

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
