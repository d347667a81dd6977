import { describe, expect, it } from "vitest";
import { heard, secondsLeft, type WorkState } from "../../src/terminal/parts";

/** Batches of 16 examples, each of which is counted by itself a few milliseconds after the one before. */
function evaluated(total: number, batchMs: (batch: number) => number) {
  let state: WorkState = { parts: [] };
  let now = 0;
  const told: { done: number; at: number; left: number | undefined }[] = [];
  const tell = (done: number) => {
    state = heard(state, { type: "progress", part: "examples", done, total }, now);
    told.push({ done, at: now, left: secondsLeft(state, now) });
  };
  tell(0);
  for (let done = 0; done < total; ) {
    now += batchMs(done / 16);
    for (const end = Math.min(total, done + 16); done < end; now += 2) tell(++done);
  }
  return { told, end: now };
}

describe("the time that a part still takes", () => {
  it("is measured over whole batches, not within one", () => {
    const { told, end } = evaluated(160, () => 3000);
    for (const { done, at, left } of told.filter((each) => each.done > 32 && each.done <= 144)) {
      const truth = (end - at) / 1000;
      expect(Math.abs(left! - truth), `after ${done}`).toBeLessThan(0.2 * truth + 3);
    }
  });

  it("is never nothing while half of the units are left", () => {
    const { told } = evaluated(66, (batch) => (batch === 0 ? 7000 : 2000));
    for (const { done, left } of told.filter((each) => each.done > 0 && each.done < 33))
      expect(left, `after ${done}`).toBeGreaterThan(2);
  });
});
