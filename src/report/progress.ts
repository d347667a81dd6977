import type { PreflightReport, RunEvent } from "../events";
import { shortNumber } from "./elements/plots";

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
        `${event.images} images read in ${duration(1000 * event.seconds)}, ${event.leftOut.length} examples left out`,
      );
    if (event.type === "preflight-end") return lineOf(tried(event.report));
    if (event.type !== "step-end") return undefined;
    const { step, totalSteps, metrics } = event;
    timeMs += event.timeMs;
    done++;
    const filled = Math.round((step / totalSteps) * barWidth);
    const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
    const numbers = (metrics.reward === undefined ? imitation : reinforcement).flatMap(([name, label]) =>
      typeof metrics[name] === "number" ? [`${label} ${shortNumber(metrics[name])}`] : [],
    );
    const left = duration((timeMs / done) * (totalSteps - step));
    return lineOf(bar, `${step}/${totalSteps}`, `${left} left`, ...numbers);
  };
}

function tried({
  stage,
  exampleId,
  promptTokens,
  contextLength,
  memory,
  formatRate,
  estimatedSeconds,
}: PreflightReport): string {
  const facts = [
    ...(promptTokens === undefined ? [] : [`longest prompt ${promptTokens} of ${contextLength} tokens`]),
    ...(memory === undefined ? [] : [`${gigabytes(memory.total)} of ${gigabytes(memory.available)} GB of memory`]),
    ...(formatRate === undefined ? [] : [`${Math.round(100 * formatRate)} % of completions of the right form`]),
    `at most ${duration(1000 * estimatedSeconds)}`,
  ];
  return `${stage}, tried with example ${exampleId}: ${facts.join(", ")}`;
}

const barWidth = 20;

type Watched = readonly (readonly [metric: string, label: string])[];

const imitation: Watched = [
  ["loss", "loss"],
  ["eval_reward", "held out"],
];

/** The loss is left out, because on-policy GRPO's is zero whatever it learns. */
const reinforcement: Watched = [
  ["reward", "reward"],
  ["eval_reward", "held out"],
  ["kl", "KL"],
  ["rise/leak_rate", "leaks"],
  ["rise/format_rate", "format"],
  ["completions/mean_length", "tokens"],
  ["completions/clipped_ratio", "clipped"],
  ["frac_reward_zero_std", "zero-std"],
];

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);

function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 90 * 60 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
