import { readFile, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";

/** The beginning of a file whose process lives: a number that grows. */
export const firstBeat = "0".repeat(16);

/**
 * Writes a growing number to the beginning of a file, again and again, while this process runs and the file exists. It
 * has its own thread, because this one may be busy for minutes.
 * @returns a function that ends it
 */
export function startHeartbeat(file: string, periodMs: number): () => Promise<unknown> {
  const options = { eval: true, execArgv: [], workerData: { file, periodMs, digits: firstBeat.length } };
  const worker = new Worker(program, options);
  worker.unref();
  // A thread that dies leaves a lock that another process may take over, which is noticed before anything is written.
  worker.on("error", () => {});
  return () => worker.terminate();
}

/** The thread's program, as text: a file would have another path in the sources and in both builds. */
const program = `
const { closeSync, openSync, writeSync } = require("node:fs");
const { file, periodMs, digits } = require("node:worker_threads").workerData;
let beats = 0;
setInterval(() => {
  let handle;
  try {
    // A file that is gone is not made anew: it was taken away.
    handle = openSync(file, "r+");
    writeSync(handle, String(++beats).padStart(digits, "0"), 0);
  } catch {
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}, periodMs);
`;

/** Periods without a beat after which the process must be dead. */
const silentPeriods = 10;
const readingsPerPeriod = 4;

/**
 * Watches a file for a change, which shows that its process lives. It counts readings instead of comparing clocks, so
 * that a pause of the whole machine does not count as silence.
 * @returns false if the file did not change for many periods, or is gone
 */
export async function isBeating(file: string, periodMs: number): Promise<boolean> {
  const first = await reading(file);
  for (let i = 0; i < silentPeriods * readingsPerPeriod; i++) {
    await setTimeout(periodMs / readingsPerPeriod);
    const now = await reading(file);
    if (now === undefined) return false;
    if (now !== first) return true;
  }
  return false;
}

/**
 * The number that a beat changes; `undefined` if the file is missing. Opened anew each time, because a network file
 * system asks its server then.
 */
const reading = (file: string): Promise<string | undefined> =>
  Promise.all([readFile(file, "latin1"), stat(file)]).then(
    ([text, { mtimeMs }]) => `${text} ${mtimeMs}`,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    },
  );
