import type { StepMetrics } from "../../events";
import { linePlot } from "../elements/plots";

/** Metrics that have a curve, with words for people who have not read the code. */
const shown: readonly (readonly [name: string, title: string])[] = [
  ["reward", "reward"],
  ["eval_reward", "reward on held-out examples"],
  ["rise/similarity", "similarity"],
  ["rise/image_only_similarity", "similarity without a cot"],
  ["rise/leak_rate", "leak rate"],
  ["rise/format_rate", "format rate"],
  ["completions/mean_length", "tokens in a completion"],
  ["frac_reward_zero_std", "groups without a spread"],
  ["entropy", "entropy, nats a token"],
  ["rise/entropy_estimate", "entropy estimated from the sample, nats a token"],
  ["loss", "loss"],
];

/** On-policy GRPO's loss is zero whatever it learns: a smaller loss is rounding. */
const roundingError = 1e-6;

/** Says how often the model failed for an example: the curves and images leave such examples out. */
export function failures(metrics: readonly StepMetrics[]): string {
  const failed = metrics.flatMap(({ step, "rise/failed_examples": count }) =>
    typeof count === "number" ? [{ step, count }] : [],
  );
  if (failed.length === 0) return "";
  const times = failed.reduce((sum, { count }) => sum + count, 0);
  const first = failed[0]!.step;
  const last = failed.at(-1)!.step;
  const steps = first === last ? `in step ${first}` : `from step ${first} to step ${last}`;
  return `<p class="problem">${times} ${times === 1 ? "time an example" : "times examples"} could not be sampled, or not in full, ${steps}</p>`;
}

/** Draws the metrics of a stage; the loss only if it is more than rounding. */
export function curves(metrics: readonly StepMetrics[]): string {
  const plots = shown.map(([name, label]) => {
    const points = metrics.flatMap((row) => (typeof row[name] === "number" ? [{ x: row.step, y: row[name] }] : []));
    return name === "loss" && points.every(({ y }) => Math.abs(y) < roundingError) ? "" : linePlot(label, points);
  });
  return plots.join("");
}
