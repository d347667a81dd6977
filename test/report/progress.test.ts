import { describe, expect, it } from "vitest";
import type { StepMetrics } from "../../src/events";
import { createProgress } from "../../src/report";

const stepEnd = (step: number, timeMs: number, metrics: Readonly<Record<string, number>> = {}) => {
  const row: StepMetrics = { stage: "train", step, ...metrics };
  return { type: "step-end", stage: "train", step, totalSteps: 10, metrics: row, timeMs } as const;
};

describe("progress", () => {
  it("tells how far a run is, and how long it takes still at the pace of the steps it saw", () => {
    const line = createProgress("RISE-CoT");
    expect(line(stepEnd(1, 1000))).toBe("RISE-CoT  ██░░░░░░░░░░░░░░░░░░  1/10  9 s left");
    // Two steps in 5 s, and eight to come.
    expect(line(stepEnd(2, 4000))).toContain("  2/10  20 s left");
    expect(createProgress("a")(stepEnd(1, 20_000))).toContain("  3 min left");
    expect(createProgress("a")(stepEnd(1, 3_600_000))).toContain("  9.0 h left");
  });

  it("needs no title", () => {
    const line = createProgress();
    expect(line(stepEnd(1, 1000))).toBe("██░░░░░░░░░░░░░░░░░░  1/10  9 s left");
    expect(line({ type: "warning", guard: "clipped", step: 3, message: "too long" })).toBe("warning, step 3: too long");
  });

  it("tells what a stage was found to need before its first step", () => {
    const report = { stage: "train", exampleId: "cat", estimatedSeconds: 100 };
    const line = createProgress("RISE-CoT");
    expect(line({ type: "preflight-end", report })).toBe("RISE-CoT  train, tried with example cat: at most 2 min");
    const memory = {
      weights: 0,
      optimizer: 0,
      activations: 0,
      logits: 0,
      runtime: 0,
      total: 4e9,
      available: 24e9,
    };
    const counted = { ...report, promptTokens: 310, contextLength: 4096, memory, formatRate: 0.75 };
    expect(line({ type: "preflight-end", report: counted })).toBe(
      "RISE-CoT  train, tried with example cat: longest prompt 310 of 4096 tokens, 4.0 of 24.0 GB of memory, 75 % of completions of the right form, at most 2 min",
    );
  });

  it("counts on from where a resumed run begins", () => {
    expect(createProgress("a")(stepEnd(8, 1000))).toContain("  8/10  2 s left");
  });

  it("shows the numbers to watch, and none that there is not", () => {
    const metrics = {
      reward: 0.123456,
      kl: 0.01,
      "rise/leak_rate": 0,
      "rise/format_rate": 1,
      eval_reward: 0.5,
      loss: 1e-17,
      "completions/mean_length": 41.5,
      "completions/clipped_ratio": 0.25,
      frac_reward_zero_std: 0.5,
    };
    expect(
      createProgress("a")(stepEnd(1, 0, metrics))
        ?.split("  ")
        .slice(4),
    ).toEqual([
      "reward 0.123",
      "held out 0.5",
      "KL 0.01",
      "leaks 0",
      "format 1",
      "tokens 41.5",
      "clipped 0.25",
      "zero-std 0.5",
    ]);
  });

  it("shows the loss of imitation", () => {
    expect(
      createProgress("a")(stepEnd(1, 0, { loss: 1.5, learning_rate: 1e-5 }))
        ?.split("  ")
        .slice(4),
    ).toEqual(["loss 1.5"]);
  });

  it("passes warnings on, and is silent about the rest", () => {
    const line = createProgress("a");
    expect(line({ type: "warning", guard: "clipped", step: 3, message: "too long" })).toBe(
      "a  warning, step 3: too long",
    );
    expect(line({ type: "checkpoint-end", step: 3, path: "x" })).toBeUndefined();
  });
});
