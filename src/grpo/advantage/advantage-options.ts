import { ConfigError, ShapeError } from "../../errors";
import { checkNumber, checkOptions, type Names } from "../../options/options";
import { type BaselineName, baselines } from "./baseline";
import { groupsOf } from "./groups";

export interface GrpoAdvantageOptions {
  /** Completions per prompt, G; the rewards of one prompt are consecutive. Default: all rewards form one group. */
  readonly groupSize?: number;
  /** Instead, for groups of any sizes in any order: which prompt each completion answers. */
  readonly groups?: readonly (string | number)[];
  /** With several reward functions: normalise their weighted sum, or sum them normalised, as GDPO does ("sum_then_normalize"). */
  readonly aggregation?: "sum_then_normalize" | "normalize_then_sum";
  /** w, one weight for each reward function (1). */
  readonly weights?: readonly number[];
  /** b: what a reward is compared with, by name, or a number for each completion: a greedy answer's reward (ReMax) ("mean"). */
  readonly baseline?: BaselineName | readonly number[];
  /**
   * s: what the difference is divided by ("group"): the group's standard deviation, the whole batch's, nothing, the share of rewards
   * that are not 0 (GPG), or, after the mean over all tokens is taken off, their standard deviation (REINFORCE++). With
   * "normalize_then_sum" it is what the sum is divided by: the batch's standard deviation ("group"), or that of its tokens ("tokens").
   */
  readonly scale?: "group" | "batch" | "none" | "nonzero" | "tokens";
  /** Keeps a division by a small standard deviation finite (1e-4, TRL's; verl's is 1e-6). */
  readonly stdEpsilon?: number;
  /** A standard deviation is taken to be at least this (0; √1e-6 in grpo_vectorized of verl before 0.9). */
  readonly stdFloor?: number;
  /** A reward that is alone in its group has nothing to be compared with: 0, or the reward itself with s = 1, as verl does ("zero"). */
  readonly alone?: "zero" | "reward";
  /** Unmasked tokens of each completion, for "lengthWeightedMean" and "tokens". */
  readonly lengths?: readonly number[];
  /** Mean and standard deviation of groups rounded to float32, as in verl's grpo_vectorized ("double"). */
  readonly precision?: "double" | "single";
}

const names: Names<GrpoAdvantageOptions> = {
  groupSize: true,
  groups: true,
  aggregation: true,
  weights: true,
  baseline: true,
  scale: true,
  stdEpsilon: true,
  stdFloor: true,
  alone: true,
  lengths: true,
  precision: true,
};

export type AdvantageSettings = ReturnType<typeof readOptions>;

/** Options with their defaults; those that contradict each other, or the number of rewards, are refused. */
export function readOptions(options: GrpoAdvantageOptions, count: number) {
  checkOptions("grpoAdvantages", options, names);
  const { aggregation = "sum_then_normalize", baseline = "mean", scale = "group" } = options;
  const { stdEpsilon = 1e-4, stdFloor = 0 } = options;
  if (aggregation === "normalize_then_sum" && ((scale !== "group" && scale !== "tokens") || baseline !== "mean")) {
    throw new ConfigError(
      `grpoAdvantages: normalize_then_sum scales by group, then by batch or tokens: expected scale "group" or "tokens" and baseline "mean", got "${scale}" and "${baseline}"`,
    );
  }
  for (const [name, value] of Object.entries({ stdEpsilon, stdFloor }))
    checkNumber("grpoAdvantages", `${name} ≥ 0`, value, value >= 0);
  oneOf("aggregation", aggregation, ["sum_then_normalize", "normalize_then_sum"]);
  oneOf("scale", scale, ["group", "batch", "none", "nonzero", "tokens"]);
  if (typeof baseline === "string") oneOf("baseline", baseline, Object.keys(baselines));
  for (const [name, values] of Object.entries({ baseline, lengths: options.lengths })) {
    if (typeof values === "string" || values === undefined) continue;
    if (values.length !== count)
      throw new ShapeError(`grpoAdvantages: expected ${count} numbers in ${name}, got ${values.length}`);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new ConfigError(`grpoAdvantages: expected finite ${name}, got ${values[bad]} for completion ${bad}`);
  }
  if ((baseline === "lengthWeightedMean" || scale === "tokens") && options.lengths === undefined) {
    throw new ConfigError('grpoAdvantages: baseline "lengthWeightedMean" and scale "tokens" expect lengths, got none');
  }
  return {
    ...{ aggregation, baseline, scale, stdEpsilon, stdFloor },
    groups: groupsOf(options, count),
    alone: options.alone ?? "zero",
    lengths: Float64Array.from(options.lengths ?? new Array<number>(count).fill(1)),
    round: options.precision === "single" ? Math.fround : (x: number) => x,
  };
}

function oneOf(name: string, value: string, names: readonly string[]): void {
  if (!names.includes(value))
    throw new ConfigError(`grpoAdvantages: expected ${name} to be one of ${names.join(", ")}; got "${value}"`);
}
