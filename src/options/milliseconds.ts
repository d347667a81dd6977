import { given } from "./spec";

/** Node's timers overflow beyond this and fire at once. */
export const longestTimerMs = 2 ** 31 - 1;

/** The schema of an option that a timer waits for. */
export const milliseconds = () =>
  given<number>(
    `a whole number of at least 1, at most ${longestTimerMs}`,
    (value: unknown) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= longestTimerMs,
  );
