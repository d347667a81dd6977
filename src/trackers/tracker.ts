import { setTimeout as sleep } from "node:timers/promises";
import type { StepMetrics } from "../events";

/** Receives the metrics of each step of a run, for a page that draws them. */
export interface Tracker {
  /** Takes a step's metrics; it never throws, and does not wait for them to be written. */
  record(metrics: StepMetrics): void;
  /**
   * Waits until everything is written.
   * @param failure what ended the run; nothing for a run that came to its end
   * @throws when something could not be written
   */
  close(failure?: unknown): Promise<void>;
}

/** The metrics that are numbers. `step` is their position and not one of them. */
export function scalarsOf({ step: _, ...metrics }: StepMetrics): [name: string, value: number][] {
  return Object.entries(metrics).filter((entry): entry is [string, number] => typeof entry[1] === "number");
}

/**
 * Sends steps in order, as many at once as wait. Steps of a failed try go with the next step; the last tries are
 * made on closing. One try waits at most, so that a server that never answers does not hold up the end.
 * @param send sends some entries; it throws when none of them arrived
 */
export function outbox<Entry>(send: (entries: readonly Entry[]) => Promise<void>) {
  let waiting: Entry[] = [];
  let work: Promise<void> = Promise.resolve();
  let isDue = false;
  const flush = async () => {
    isDue = false;
    const entries = waiting;
    if (entries.length === 0) return;
    waiting = [];
    try {
      await send(entries);
    } catch (error) {
      waiting = [...entries, ...waiting];
      throw error;
    }
  };
  return {
    add(entry: Entry) {
      waiting.push(entry);
      if (!isDue) work = work.then(flush).catch(() => {});
      isDue = true;
    },
    /** @throws the error of the last try */
    async close(tries = 3) {
      await work;
      for (let left = tries - 1; ; left--)
        try {
          return await flush();
        } catch (error) {
          if (left === 0) throw error;
          await sleep(500 * (tries - left));
        }
    },
  };
}
