import type { RunEvent } from "../events";
import { figuresOf, tried } from "../runs/progress/words";
import { duration, shortNumber } from "../terminal/text";

/**
 * Writes a line for every step of a run: its progress, the time left, and the numbers to watch. The needs of a stage,
 * and every warning, have a line as well.
 * @param title the run's name, at the head of its lines
 * @returns a function of the run's events, in order: the line of an event, or `undefined` for an event without one
 * @example
 * const line = createProgress("RISE-CoT");
 * for await (const event of run) console.log(line(event) ?? "");
 */
export function createProgress(title?: string): (event: RunEvent<unknown, unknown>) => string | undefined {
  const head = title === undefined ? [] : [title];
  const lineOf = (...parts: readonly string[]) => [...head, ...parts].join("  ");
  let timeMs = 0;
  let done = 0;
  return (event) => {
    if (event.type === "warning") return lineOf(`warning, step ${event.step}: ${event.message}`);
    if (event.type === "images-end")
      return lineOf(
        `images read in ${duration(event.seconds)}: ${event.images}; examples left out: ${event.leftOut.length}`,
      );
    if (event.type === "preflight-end") return lineOf(tried(event.report));
    if (event.type !== "step-end") return undefined;
    const { step, totalSteps, metrics } = event;
    timeMs += event.timeMs;
    done++;
    const filled = Math.round((step / totalSteps) * barWidth);
    const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
    const numbers = figuresOf(metrics).map(([label, value]) => `${label} ${shortNumber(value)}`);
    const left = duration(((timeMs / done) * (totalSteps - step)) / 1000);
    return lineOf(bar, `${step}/${totalSteps}`, `${left} left`, ...numbers);
  };
}

const barWidth = 20;
