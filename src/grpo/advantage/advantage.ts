import { checkArguments, listKind } from "../../options/arguments";
import { type AdvantageSettings, advantageSettings, type GrpoAdvantageOptions } from "./advantage-options";
import { baselines } from "./baseline";
import { moments, whiten } from "./moments";
import { type RewardValue, readColumns, readWeights, weightedSum } from "./rewards";

export type { GrpoAdvantageOptions } from "./advantage-options";
export type { RewardValue } from "./rewards";

/** A standard deviation below this is rounding error: every reward of the group was the same. */
const ZERO_STD = 1e-8;

/** Advantages, one for each completion, and the statistics of their groups. */
export interface GrpoAdvantages {
  /** A, one for each completion. */
  readonly advantages: Float64Array;
  /** Metrics under TRL's names; NaN if nothing could be measured (no reward, no group with two of them). */
  readonly metrics: {
    /** Mean of R. */
    readonly reward: number;
    /**
     * Mean over completions of the standard deviation that divided their advantage, or of their group's if `scale` is
     * something else.
     */
    readonly reward_std: number;
    /** Share of completions whose standard deviation is zero: their group got equal rewards, and teaches nothing. */
    readonly frac_reward_zero_std: number;
  };
}

/**
 * Computes how much better each completion is than the others of its group:
 *
 * Rᵢ = Σₖ wₖ rᵢₖ, Aᵢ = (Rᵢ − b) / (s + 1e-4), b = mean_group R, s = std_group R
 *
 * std has n − 1 in its denominator. A group in which all rewards are equal is kept and gets A = 0; so does a completion
 * that no reward function scored, which stays out of every mean, and one whose std has fewer than two rewards to go by.
 *
 * `baseline` and `scale` change b and s independently; `verlEstimators` has the pairs that have a name.
 *
 * `"normalize_then_sum"` (GDPO) puts the reward functions on one scale before they are weighed: zᵢₖ = (rᵢₖ − mean_group
 * rₖ) / (std_group rₖ + 1e-4), Rᵢ = Σₖ wₖ zᵢₖ, Aᵢ = (Rᵢ − mean_batch R) / (std_batch R + 1e-4); with scale `"tokens"`
 * mean and standard deviation of R are taken over the batch's tokens, as in verl's gdpo.
 *
 * @param rewards one reward for each completion, or one row of rewards (one column for each reward function)
 * @throws ShapeError when there are no rewards, rows differ in length, or groups do not divide them
 * @throws ConfigError when a reward is NaN or infinite: a missing one is `null`; when options contradict each other
 * Source: GRPO (DeepSeekMath, arXiv 2402.03300), §4.1.2; TRL's `scale_rewards` and `multi_objective_aggregation`.
 * @example
 * grpoAdvantages([1, 0, 0.5, 0.5], { groupSize: 2 }).advantages; // about 0.71, −0.71, 0, 0
 */
export function grpoAdvantages(
  rewards: readonly RewardValue[] | readonly (readonly RewardValue[])[],
  options: GrpoAdvantageOptions = {},
): GrpoAdvantages {
  checkArguments("grpoAdvantages", { rewards }, { rewards: listKind() });
  const settings = advantageSettings(options, rewards.length);
  const columns = readColumns(rewards);
  const weights = readWeights(settings.weights, columns.length);
  const sum = weightedSum(columns, weights);
  if (settings.aggregation === "sum_then_normalize") {
    const std = standardDeviations(sum, settings);
    const advantages = scaled(compared(sum, settings), sum, std, settings);
    return { advantages: zeroWhereMissing(advantages), metrics: metricsOf(sum, std) };
  }
  const byGroup = { ...settings, scale: "group" } as const;
  const scores = columns.map((column) => {
    const z = scaled(compared(column, byGroup), column, standardDeviations(column, byGroup), byGroup);
    return z.map((value, i) => (Number.isNaN(column[i]!) || !Number.isNaN(value) ? value : 0));
  });
  const score = weightedSum(scores, weights);
  const { mean, std } = moments(score);
  const advantages =
    settings.scale === "tokens"
      ? whiten(score, settings.lengths)
      : score.map((value) => (value - mean) / (std + settings.stdEpsilon));
  return { advantages: zeroWhereMissing(advantages), metrics: metricsOf(sum, new Float64Array(sum.length).fill(std)) };
}

const metricsOf = (sum: Float64Array, std: Float64Array): GrpoAdvantages["metrics"] => ({
  reward: moments(sum).mean,
  reward_std: moments(std).mean,
  frac_reward_zero_std: std.filter((value) => value < ZERO_STD).length / std.length,
});

/** The standard deviation of each completion's group, or of the batch; NaN if there are fewer than two rewards. */
function standardDeviations(values: Float64Array, { scale, groups, round }: AdvantageSettings): Float64Array {
  if (scale === "batch") return new Float64Array(values.length).fill(moments(values).std);
  const std = new Float64Array(values.length);
  for (const members of groups) {
    const group = moments(
      Float64Array.from(members, (i) => values[i]!),
      round,
    );
    for (const i of members) std[i] = group.std;
  }
  return std;
}

/** The difference R − b; NaN if the reward is missing. */
function compared(values: Float64Array, { baseline, groups, alone, lengths, round }: AdvantageSettings): Float64Array {
  if (typeof baseline !== "string") return values.map((value, i) => value - baseline[i]!);
  const differences = new Float64Array(values.length).fill(Number.NaN);
  for (const members of groups) {
    const present = members.filter((i) => !Number.isNaN(values[i]!));
    if (present.length === 1 && baseline !== "none") {
      differences[present[0]!] = alone === "reward" && baseline !== "runnerUp" ? values[present[0]!]! : 0;
      continue;
    }
    const rewards = Float64Array.from(present, (i) => values[i]!);
    const group = {
      rewards,
      mean: moments(rewards, round).mean,
      lengths: Float64Array.from(present, (i) => lengths[i]!),
    };
    for (const [k, difference] of baselines[baseline](group).entries()) differences[present[k]!] = difference;
  }
  return differences;
}

/** The advantage (R − b)/s. */
function scaled(
  differences: Float64Array,
  rewards: Float64Array,
  std: Float64Array,
  settings: AdvantageSettings,
): Float64Array {
  const { scale, alone, stdEpsilon, stdFloor, round, lengths } = settings;
  if (scale === "none") return differences;
  if (scale === "tokens") return whiten(differences, lengths);
  if (scale === "nonzero") {
    const present = rewards.filter((reward) => !Number.isNaN(reward));
    const share = Math.max(present.filter((reward) => reward !== 0).length, 1) / present.length;
    return differences.map((difference) => difference / share);
  }
  return differences.map((difference, i) => {
    const s = alone === "reward" && Number.isNaN(std[i]!) ? 1 : std[i]!;
    return difference / round(Math.max(s, stdFloor) + round(stdEpsilon));
  });
}

const zeroWhereMissing = (values: Float64Array) => values.map((value) => (Number.isNaN(value) ? 0 : value));
