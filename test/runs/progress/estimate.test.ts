import { describe, expect, it } from "vitest";
import { createRng } from "../../../src/rng";
import { createEstimate } from "../../../src/runs/progress/estimate";
import { type Pace, type SimulatedStage, simulateRun } from "./recorded-run";

/** Each piece of work takes its mean, a third more or less. */
function unsteady(seed: number, means: { rollout: number; learning: number; heldOut: number }): Pace {
  const around = (mean: number, name: string) => (n: number) =>
    mean * (1 + (createRng(seed, name, n).uniform() - 0.5) * 0.66);
  return {
    rolloutMs: around(means.rollout, "rollout"),
    learningMs: around(means.learning, "learning"),
    heldOutMs: around(means.heldOut, "held out"),
    saveMs: 700,
    compileMs: 6000,
  };
}

const cot: readonly SimulatedStage[] = [
  { name: "train", steps: 200, trains: true, rollouts: 16, heldOut: 24, triedSeconds: 1500 },
  { name: "final", steps: 48, trains: false, rollouts: 16 },
];
const r1: readonly SimulatedStage[] = [
  { name: "sft", steps: 60, trains: true, heldOut: 24, triedSeconds: 200 },
  { name: "rft", steps: 80, trains: true, rollouts: 16, heldOut: 24, triedSeconds: 560 },
];

/** The error of the estimated total, in shares of it, at some share of a run. */
function errorAt(share: number, stages: readonly SimulatedStage[], pace: Pace): number {
  const events = simulateRun(stages, pace, 50);
  const end = events.at(-1)![0];
  const estimate = createEstimate();
  for (const [at, event] of events) {
    estimate.hear(event, at);
    if (at >= share * end) return Math.abs(at + 1000 * (estimate.secondsLeft() ?? Number.NaN) - end) / end;
  }
  throw new Error("expected the run to be longer");
}

describe("the estimate of a run", () => {
  it.each([
    ["riseCot, whose last stage only samples", cot, { rollout: 4000, learning: 3000, heldOut: 6000 }],
    ["riseCot with slow measurements of held-out examples", cot, { rollout: 2000, learning: 1000, heldOut: 3000 }],
    ["riseR1, whose second stage is slower than its first", r1, { rollout: 3000, learning: 3000, heldOut: 4500 }],
  ] as const)("is within 30 % after a fifth of %s", (_, stages, means) => {
    for (let seed = 0; seed < 20; seed++)
      for (const share of [0.2, 0.3, 0.5, 0.8]) expect(errorAt(share, stages, unsteady(seed, means))).toBeLessThan(0.3);
  });

  it("is unknown before the first step is over", () => {
    const estimate = createEstimate();
    for (const [at, event] of simulateRun(cot, unsteady(0, { rollout: 1000, learning: 1000, heldOut: 1000 }), 50)) {
      if (event.type === "step-end") break;
      estimate.hear(event, at);
    }
    expect(estimate.secondsLeft()).toBeUndefined();
  });

  it("counts only the steps that a resumed run has before it", () => {
    const estimate = createEstimate();
    const stages = cot.map(({ triedSeconds, heldOut, ...plan }) => plan);
    estimate.hear({ type: "run-start", stages, checkpointEvery: 50, step: 198, preflight: false }, 0);
    const metrics = { stage: "train", step: 199 };
    estimate.hear({ type: "step-end", stage: "train", step: 199, totalSteps: 248, metrics, timeMs: 5000 }, 5000);
    // One step of training; the last stage has shown nothing yet.
    expect(estimate.secondsLeft()).toBe(5);
  });

  it("does not move within a step whose pace is steady", () => {
    const pace: Pace = { ...unsteady(0, { rollout: 0, learning: 0, heldOut: 0 }), saveMs: 0, compileMs: 0 };
    const steady = { ...pace, rolloutMs: () => 8000, learningMs: () => 2000 };
    const events = simulateRun([{ name: "train", steps: 6, trains: true, rollouts: 8 }], steady, 50);
    const [end] = events.at(-1)!;
    const estimate = createEstimate();
    for (const [at, event] of events) {
      estimate.hear(event, at);
      if (at > 10_000) expect(at + 1000 * estimate.secondsLeft()!).toBeCloseTo(end, 3);
    }
  });

  it("is never below zero when a resumed run first measures the step that it resumes after", () => {
    const estimate = createEstimate();
    const stages = [{ name: "train", steps: 2, trains: true }];
    estimate.hear({ type: "run-start", stages, checkpointEvery: 50, step: 1, preflight: false }, 0);
    for (const step of [1, 2]) {
      const metrics = { stage: "train", step };
      estimate.hear({ type: "step-end", stage: "train", step, totalSteps: 2, metrics, timeMs: 5000 }, 5000 * step);
    }
    expect(estimate.secondsLeft()).toBe(0);
  });
});
