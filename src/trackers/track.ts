import type { RunEvent } from "../events";
import { checkArguments, listKind, presentKind } from "../options/arguments";
import type { Run } from "../runs/run";
import type { Tracker } from "./tracker";

/**
 * Awaits a run and sends each step's metrics to trackers.
 *
 * A tracker that fails does not end the run: after it, a process warning (`RiseTrackerWarning`) names the failure.
 *
 * @param run a run of `riseCot` or `riseR1` that nobody has started
 * @returns the run's result
 * @throws whatever the run throws
 * @example
 * const run = riseCot({ task, dataset, runDir: "runs/cot" });
 * const { kept } = await track(run, [tensorboard("runs/tensorboard/cot")]);
 */
export async function track<Result>(
  run: Run<RunEvent<unknown, Result>, Result>,
  trackers: readonly Tracker[],
): Promise<Result> {
  checkArguments("track", { run, trackers }, { run: presentKind, trackers: listKind() });
  try {
    for await (const event of run)
      if (event.type === "step-end") for (const tracker of trackers) tracker.record(event.metrics);
    const result = await run;
    await close(trackers);
    return result;
  } catch (error) {
    await close(trackers, error);
    throw error;
  }
}

async function close(trackers: readonly Tracker[], failure?: unknown): Promise<void> {
  const ends = await Promise.allSettled(trackers.map((tracker) => tracker.close(failure)));
  for (const end of ends)
    if (end.status === "rejected") process.emitWarning(String(end.reason?.message ?? end.reason), "RiseTrackerWarning");
}
