import type { PreflightReport, StepMetrics } from "../../events";
import type { Figure } from "../../terminal/news";
import { duration } from "../../terminal/text";

/** The needs of a stage, as they were measured before its first step. */
export function tried({
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
    `at most ${duration(estimatedSeconds)}`,
  ];
  return `${stage}, tried with example ${exampleId}: ${facts.join(", ")}`;
}

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);

/** The numbers of a step to watch, the most important first. */
export const figuresOf = (metrics: StepMetrics): Figure[] =>
  (metrics.reward === undefined ? imitation : reinforcement).flatMap(([name, label]) => {
    const value = metrics[name];
    return typeof value === "number" ? [[label, value] as const] : [];
  });

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
