import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { RunEvent } from "../../src/events";
import { createRun } from "../../src/runs/run";
import { type Tracker, track } from "../../src/trackers";
import { outbox } from "../../src/trackers/tracker";

const run = (fails = false) =>
  createRun<RunEvent<unknown, string>, string>(async function* () {
    for (const step of [1, 2]) {
      const metrics = { stage: "sft", step, loss: 1 / step };
      yield { type: "step-end", stage: "sft", step, totalSteps: 2, metrics, timeMs: 1 };
    }
    if (fails) throw new Error("the run failed");
    return "done";
  });

const recorder = (closing: Tracker["close"] = async () => {}) => {
  const steps: number[] = [];
  const tracker: Tracker = { record: ({ step }) => void steps.push(step), close: closing };
  return { steps, tracker };
};

describe("track", () => {
  it("gives every step to every tracker, and returns the run's result", async () => {
    const trackers = [recorder(), recorder()];
    expect(
      await track(
        run(),
        trackers.map(({ tracker }) => tracker),
      ),
    ).toBe("done");
    expect(trackers.map(({ steps }) => steps)).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it("keeps the result when a tracker fails, and warns of the failure", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const { tracker } = recorder(async () => Promise.reject(new Error("the server is down")));
    expect(await track(run(), [tracker])).toBe("done");
    expect(warn).toHaveBeenCalledWith("the server is down", "RiseTrackerWarning");
    warn.mockRestore();
  });

  it("closes its trackers with the error of a run that fails, and throws it", async () => {
    const failures: unknown[] = [];
    const { tracker, steps } = recorder(async (failure) => void failures.push(failure));
    await expect(track(run(true), [tracker])).rejects.toThrow("the run failed");
    expect(failures).toEqual([new Error("the run failed")]);
    expect(steps).toEqual([1, 2]);
  });
});

describe("an outbox", () => {
  it("does not try once for each step that came while a server did not answer", async () => {
    const tried: number[] = [];
    const steps = outbox<number>(async (entries) => {
      tried.push(entries.length);
      await setTimeout(1);
      throw new Error("no answer");
    });
    for (let step = 0; step < 100; step++) steps.add(step);
    await setTimeout(0);
    for (let step = 0; step < 100; step++) steps.add(step);
    await expect(steps.close(1)).rejects.toThrow("no answer");
    expect(tried).toEqual([100, 200, 200]);
  });
});
