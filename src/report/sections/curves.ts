import type { StepMetrics } from "../../events";
import { type PlotOptions, plot, type Series } from "../elements/plots";
import type { StageRecords } from "../reading/run-records";

/** A metric that has a curve, with words for people who have not read the code. */
interface Curve {
  readonly name: string;
  readonly title: string;
  /** Its values are shares: the axis goes from 0 to 1, and a reward beyond widens it. */
  readonly isShare?: boolean;
  /** Half the height of the area around it. */
  readonly spread?: string;
  /** The metrics that bound the area around it. */
  readonly bounds?: readonly [low: string, high: string];
}

const curves: readonly Curve[] = [
  { name: "reward", title: "reward", isShare: true, spread: "reward_std" },
  { name: "eval_reward", title: "reward on held-out examples", isShare: true },
  { name: "rise/similarity", title: "similarity", isShare: true },
  { name: "rise/image_only_similarity", title: "similarity without a cot", isShare: true },
  { name: "rise/leak_rate", title: "leak rate", isShare: true },
  { name: "rise/format_rate", title: "format rate", isShare: true },
  { name: "completions/clipped_ratio", title: "completions cut off", isShare: true },
  {
    name: "completions/mean_length",
    title: "tokens in a completion",
    bounds: ["completions/min_length", "completions/max_length"],
  },
  { name: "frac_reward_zero_std", title: "groups without a spread", isShare: true },
  { name: "kl", title: "KL to the first policy, nats a token" },
  { name: "entropy", title: "entropy, nats a token" },
  { name: "rise/entropy_estimate", title: "entropy estimated from the sample, nats a token" },
  { name: "grad_norm", title: "norm of the gradient" },
  { name: "learning_rate", title: "learning rate" },
  { name: "clip_ratio/region_mean", title: "clipped ratios of the loss", isShare: true },
  { name: "loss", title: "loss" },
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

/** Draws the metrics of a stage; the steps of a stage that does not train are different examples, and no curve. */
export const stageCurves = ({ metrics, trains }: StageRecords): string =>
  plots([{ metrics }], { isScattered: !trains }, 1);

/** Draws the metrics that at least two runs have over one pair of axes. */
export const comparedCurves = (runs: readonly { readonly name: string; readonly metrics: readonly StepMetrics[] }[]) =>
  plots(runs, {}, 2);

function plots(
  runs: readonly { readonly name?: string; readonly metrics: readonly StepMetrics[] }[],
  options: PlotOptions,
  atLeast: number,
): string {
  const drawn = curves.map((curve) => {
    const lines = runs.map((run) => seriesOf(curve, run)).filter(({ points }) => points.length > 0);
    const isRounding = lines.every(({ points }) => points.every(({ y }) => Math.abs(y) < roundingError));
    if (lines.length < atLeast || (curve.name === "loss" && isRounding)) return "";
    return plot(curve.title, lines, { ...options, ...(curve.isShare && { range: [0, 1] as const }) });
  });
  return drawn.join("");
}

function seriesOf(
  { name, isShare, spread, bounds }: Curve,
  run: { readonly name?: string; readonly metrics: readonly StepMetrics[] },
): Series {
  const number = (row: StepMetrics, name: string | undefined) =>
    name !== undefined && typeof row[name] === "number" ? [row[name]] : [];
  const limited = (value: number) => (isShare ? Math.min(Math.max(value, 0), 1) : value);
  const points = run.metrics.flatMap((row) => number(row, name).map((y) => ({ x: row.step, y })));
  const band = run.metrics.flatMap((row) => {
    const [value] = number(row, name);
    if (value === undefined) return [];
    const [low] = bounds ? number(row, bounds[0]) : number(row, spread).map((half) => limited(value - half));
    const [high] = bounds ? number(row, bounds[1]) : number(row, spread).map((half) => limited(value + half));
    return low === undefined || high === undefined ? [] : [{ x: row.step, low, high }];
  });
  return { ...(run.name !== undefined && { name: run.name }), points, band };
}
