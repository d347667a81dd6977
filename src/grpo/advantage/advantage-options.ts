import { ConfigError, ShapeError } from "../../errors";
import { counted } from "../../options/display";
import { choice, count, given, list, notNegative, readOptions, type Settings, specOf } from "../../options/spec";
import { type BaselineName, baselines } from "./baseline";
import { groupsOf } from "./groups";

/** Options of `grpoAdvantages`. */
export interface GrpoAdvantageOptions {
  /** Completions per prompt, G; the rewards of one prompt are consecutive. Default: all rewards form one group. */
  readonly groupSize?: number;
  /** The prompt that each completion answers: replaces `groupSize` for groups of any sizes in any order. */
  readonly groups?: readonly (string | number)[];
  /**
   * The order for several reward functions: normalise their weighted sum, or sum the normalised rewards, as GDPO does
   * ("sum_then_normalize").
   */
  readonly aggregation?: "sum_then_normalize" | "normalize_then_sum";
  /** w, one weight for each reward function (1). */
  readonly weights?: readonly number[];
  /**
   * b, which a reward is compared with: a name, or a number for each completion, such as a greedy answer's reward
   * (ReMax) ("mean").
   */
  readonly baseline?: BaselineName | readonly number[];
  /**
   * s, the divisor of the difference ("group"): the group's standard deviation, the whole batch's, 1, the share of
   * rewards that are not 0 (GPG), or, after subtracting the mean over all tokens, their standard deviation
   * (REINFORCE++). With "normalize_then_sum" it is the divisor of the sum: the batch's standard deviation ("group"), or
   * its tokens' ("tokens").
   */
  readonly scale?: "group" | "batch" | "none" | "nonzero" | "tokens";
  /** Keeps a division by a small standard deviation finite (1e-4, TRL's; verl's is 1e-6). */
  readonly stdEpsilon?: number;
  /** The least standard deviation; smaller ones are raised to it (0; √1e-6 in grpo_vectorized of verl before 0.9). */
  readonly stdFloor?: number;
  /**
   * The advantage of a reward that is alone in its group: 0, or the reward itself with s = 1, as in verl ("zero").
   */
  readonly alone?: "zero" | "reward";
  /** Unmasked tokens of each completion, for "lengthWeightedMean" and "tokens". */
  readonly lengths?: readonly number[];
  /** The precision of a group's mean and standard deviation; "single" is verl's grpo_vectorized ("double"). */
  readonly precision?: "double" | "single";
}

const baselineNames = Object.keys(baselines).join(", ");

export const grpoAdvantagesSpec = specOf<GrpoAdvantageOptions>()(() => ({
  groupSize: count().optional().describe("Completions per prompt, G; the rewards of one prompt are consecutive"),
  groups: list("a list of texts or numbers", isGroup)
    .optional()
    .describe("Instead of groupSize: which prompt each completion answers"),
  aggregation: choice(["sum_then_normalize", "normalize_then_sum"])
    .default("sum_then_normalize")
    .describe("With several reward functions: normalise their weighted sum, or sum them normalised (GDPO)"),
  weights: list("a list of numbers").optional().describe("w, one weight for each reward function; 1 without it"),
  baseline: given(`one of ${baselineNames}, or a list of numbers`, isBaseline)
    .default("mean")
    .describe("b: what a reward is compared with, by name, or a number for each completion"),
  scale: choice(["group", "batch", "none", "nonzero", "tokens"])
    .default("group")
    .describe("s: what the difference is divided by"),
  stdEpsilon: notNegative().default(1e-4).describe("Keeps a division by a small standard deviation finite"),
  stdFloor: notNegative().default(0).describe("A standard deviation is taken to be at least this"),
  alone: choice(["zero", "reward"]).default("zero").describe("The advantage of a reward that is alone in its group"),
  lengths: list("a list of numbers").optional().describe("Unmasked tokens of each completion; 1 without it"),
  precision: choice(["double", "single"]).default("double").describe("Rounding of a group's mean and deviation"),
}));

/** Names that were misspelt are undefined, and would join all completions. */
const isGroup = (value: unknown) => typeof value === "string" || Number.isFinite(value);

function isBaseline(value: unknown): boolean {
  return Array.isArray(value) || (typeof value === "string" && Object.hasOwn(baselines, value));
}

export type AdvantageSettings = ReturnType<typeof advantageSettings>;

/** Reads the options, and refuses those that contradict each other or the number of rewards. */
export function advantageSettings(options: GrpoAdvantageOptions, completions: number) {
  const settings = readOptions("grpoAdvantages", options, grpoAdvantagesSpec);
  checkCombinations(settings, completions);
  return {
    ...settings,
    groups: groupsOf(settings, completions),
    lengths: Float64Array.from(settings.lengths ?? new Array<number>(completions).fill(1)),
    round: settings.precision === "single" ? Math.fround : (x: number) => x,
  };
}

function checkCombinations(
  { aggregation, scale, baseline, lengths }: Settings<GrpoAdvantageOptions, typeof grpoAdvantagesSpec>,
  completions: number,
): void {
  const isWhitened = scale === "group" || scale === "tokens";
  if (aggregation === "normalize_then_sum" && !(isWhitened && baseline === "mean"))
    throw new ConfigError(
      `grpoAdvantages: normalize_then_sum scales by group, then by batch or tokens: expected scale "group" or "tokens" and baseline "mean", got "${scale}" and "${baseline}"`,
    );
  for (const [name, values] of Object.entries({ baseline, lengths })) {
    if (typeof values === "string" || values === undefined) continue;
    if (values.length !== completions)
      throw new ShapeError(
        `grpoAdvantages: expected ${counted(completions, "number")} in ${name}, got ${values.length}`,
      );
    const least = name === "lengths" ? 0 : Number.NEGATIVE_INFINITY;
    const bad = values.findIndex((value) => !(Number.isFinite(value) && value >= least));
    if (bad >= 0)
      throw new ConfigError(
        `grpoAdvantages: expected finite ${name}${least === 0 ? " of at least 0" : ""}, got ${values[bad]} for completion ${bad}`,
      );
  }
  if ((baseline === "lengthWeightedMean" || scale === "tokens") && lengths === undefined)
    throw new ConfigError('grpoAdvantages: baseline "lengthWeightedMean" and scale "tokens" expect lengths, got none');
}
