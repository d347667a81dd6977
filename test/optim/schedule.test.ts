import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { constantSchedule, cosineSchedule, linearSchedule, type Schedule } from "../../src/optim";
import peers from "../reference/optim/optim-peers.json";

const { learningRate, warmupSteps, totalSteps } = peers.schedules;
const options = { learningRate, warmupSteps, totalSteps };
const rates = (schedule: Schedule, steps: number) => Array.from({ length: steps }, (_, step) => schedule(step));

describe("a schedule", () => {
  it.each([
    ["constant", constantSchedule(options)],
    ["linear", linearSchedule(options)],
    ["cosine", cosineSchedule(options)],
  ])("%s rises from 0 to its peak, never passes it, and never falls below 0", (_, schedule) => {
    expect(schedule(0)).toBe(0);
    expect(schedule(warmupSteps)).toBe(learningRate);
    for (const rate of rates(schedule, 3 * totalSteps)) {
      expect(rate).toBeGreaterThanOrEqual(0);
      expect(rate).toBeLessThanOrEqual(learningRate);
    }
  });

  it("decays to 0 at its last step and stays there", () => {
    for (const schedule of [linearSchedule(options), cosineSchedule(options)]) {
      expect(schedule(totalSteps)).toBeCloseTo(0, 18);
      expect(schedule(totalSteps + 7)).toBe(schedule(totalSteps));
    }
  });

  it("is half-way down in the middle of its decay", () => {
    const middle = (warmupSteps + totalSteps) / 2;
    expect(linearSchedule(options)(middle)).toBeCloseTo(learningRate / 2, 18);
    expect(cosineSchedule(options)(middle)).toBeCloseTo(learningRate / 2, 18);
  });

  it("needs no warm-up", () => {
    expect(constantSchedule({ learningRate: 3 })(0)).toBe(3);
    expect(cosineSchedule({ learningRate: 3, totalSteps: 2 })(0)).toBe(3);
  });

  it.each([
    ["constant", constantSchedule(options), peers.schedules.constant],
    ["linear", linearSchedule(options), peers.schedules.linear],
    ["cosine", cosineSchedule(options), peers.schedules.cosine],
    ["linear without warm-up", linearSchedule({ learningRate, totalSteps }), peers.schedules.linearWithoutWarmup],
  ])("%s, as in transformers up to its last step", (_, schedule, expected) => {
    for (const [step, rate] of rates(schedule, totalSteps + 1).entries()) {
      expect(Math.abs(rate - expected[step]!), `step ${step}`).toBeLessThan(1e-18);
    }
  });

  it("refuses rates and lengths that make no sense", () => {
    expect(() => constantSchedule({ learningRate: -1 })).toThrow(ConfigError);
    expect(() => constantSchedule({ learningRate: 1, warmupSteps: Number.NaN })).toThrow(ConfigError);
    expect(() => linearSchedule({ learningRate: 1, warmupSteps: 5, totalSteps: 5 })).toThrow(
      "linearSchedule: expected totalSteps to be above warmupSteps, 5, got 5",
    );
  });
});
