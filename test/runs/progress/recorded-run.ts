import type { RunEvent, StepMetrics } from "../../../src/events";

type Event = RunEvent<unknown, unknown>;

/** An event, and milliseconds since the run began. */
export type Timed = readonly [atMs: number, event: Event];

/** The times of a simulated run, in milliseconds; each is a function of the number of such a piece of work. */
export interface Pace {
  readonly rolloutMs: (step: number) => number;
  readonly learningMs: (step: number) => number;
  readonly heldOutMs: (checkpoint: number) => number;
  readonly saveMs: number;
  /** The first step of a stage takes so much longer, since graphs are compiled. */
  readonly compileMs: number;
}

export interface SimulatedStage {
  readonly name: string;
  readonly steps: number;
  readonly trains: boolean;
  readonly rollouts?: number;
  readonly heldOut?: number;
  /** Seconds of the stage by preflight. */
  readonly triedSeconds?: number;
}

/** The events of a run from its images to its last step, as `riseCot` and `riseR1` yield them. */
export function simulateRun(stages: readonly SimulatedStage[], pace: Pace, checkpointEvery: number): Timed[] {
  const timed: Timed[] = [];
  let now = 0;
  const say = (event: Event, afterMs = 0) => {
    now += afterMs;
    timed.push([now, event]);
  };
  say({ type: "progress", work: "images", done: 0, total: 40 });
  for (let done = 10; done <= 40; done += 10) say({ type: "progress", work: "images", done, total: 40 }, 300);
  say({ type: "images-end", images: 40, leftOut: [], seconds: 1.2 });
  const totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
  const plans = stages.map(({ triedSeconds, ...plan }) => plan);
  say({ type: "run-start", stages: plans, checkpointEvery, step: 0, preflight: true });
  for (const [done, { name, triedSeconds }] of stages.entries()) {
    if (triedSeconds === undefined) continue;
    say({ type: "progress", work: "preflight", stage: name, done, total: stages.length });
    const report = { stage: name, exampleId: "cat", formatRate: 0.75, estimatedSeconds: triedSeconds };
    say({ type: "preflight-end", report }, 4000);
  }
  let step = 0;
  let checkpoints = 0;
  for (const { name: stage, steps, rollouts, heldOut } of stages) {
    for (let index = 1; index <= steps; index++) {
      step++;
      const started = now;
      if (index === 1) now += pace.compileMs;
      for (let done = 0; rollouts && done <= rollouts; done += rollouts / 4)
        say(
          { type: "progress", work: "rollouts", stage, step, done, total: rollouts },
          done ? pace.rolloutMs(step) / 4 : 0,
        );
      now += pace.learningMs(step);
      const timeMs = now - started;
      const isRegular = step % checkpointEvery === 0 || index === steps;
      if (heldOut && isRegular) {
        say({ type: "progress", work: "held out", stage, step, done: 0, total: heldOut });
        say(
          { type: "progress", work: "held out", stage, step, done: heldOut, total: heldOut },
          pace.heldOutMs(++checkpoints),
        );
      }
      const metrics: StepMetrics = { stage, step, ...figuresAt(step, rollouts !== undefined) };
      say({ type: "step-end", stage, step, totalSteps, metrics, timeMs });
      if (isRegular) say({ type: "checkpoint-end", step, path: `runs/cot/checkpoints/step-${step}` }, pace.saveMs);
    }
  }
  return timed;
}

const figuresAt = (step: number, samples: boolean): Readonly<Record<string, number>> =>
  samples
    ? {
        reward: 0.3 + step / 1000,
        kl: 0.0123,
        "rise/leak_rate": 0.0625,
        "rise/format_rate": 0.984,
        "completions/mean_length": 41.5,
        "completions/clipped_ratio": 0.0156,
        frac_reward_zero_std: 0.125,
      }
    : { loss: 2 / (1 + step) };
