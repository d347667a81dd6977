import { ConfigError, ShapeError } from "../errors";

/** Keeps a division by a small standard deviation finite; the value TRL uses. */
const STD_EPSILON = 1e-4;
/** A standard deviation below this is rounding error: every reward of the group was the same. */
const ZERO_STD = 1e-8;

/** What one reward function gave one completion; `null` where it does not apply. */
export type RewardValue = number | null;

export interface GrpoAdvantageOptions {
  /** Completions per prompt, G; the rewards of one prompt are consecutive. Default: all rewards form one group. */
  readonly groupSize?: number;
  /** What the centred reward is divided by: the group's standard deviation, the whole batch's, or nothing ("group"). */
  readonly scale?: "group" | "batch" | "none";
  /** With several reward functions: normalise their weighted sum, or sum them normalised, as GDPO does ("sum_then_normalize"). */
  readonly aggregation?: "sum_then_normalize" | "normalize_then_sum";
  /** w, one weight for each reward function (1). */
  readonly weights?: readonly number[];
}

export interface GrpoAdvantages {
  /** A, one for each completion. */
  readonly advantages: Float64Array;
  /** Under TRL's names; NaN where nothing could be measured (no reward, no group with two of them). */
  readonly metrics: {
    /** Mean of R. */
    readonly reward: number;
    /** Mean over completions of the standard deviation their advantage was divided by (`scale: "none"`: the group's). */
    readonly reward_std: number;
    /** Share of completions for which it is zero: they all got the same reward, and teach nothing. */
    readonly frac_reward_zero_std: number;
  };
}

/**
 * How much better each completion is than the others of its group:
 *
 * Rᵢ = Σₖ wₖ rᵢₖ,  Aᵢ = (Rᵢ − mean_group R) / (std R + 1e-4)
 *
 * std has n − 1 in its denominator. A group in which all rewards are equal is kept and gets A = 0; so does a completion that no
 * reward function scored, which stays out of every mean, and one whose std has fewer than two rewards to go by.
 *
 * `"normalize_then_sum"` (GDPO) puts the reward functions on one scale before they are weighed:
 * zᵢₖ = (rᵢₖ − mean_group rₖ) / (std_group rₖ + 1e-4),  Rᵢ = Σₖ wₖ zᵢₖ,  Aᵢ = (Rᵢ − mean_batch R) / (std_batch R + 1e-4).
 *
 * @param rewards one reward for each completion, or one row of rewards (one column for each reward function)
 * @throws ShapeError when there are no rewards, rows differ in length, or groups do not divide them
 * @throws ConfigError when a reward is NaN or infinite: a missing one is `null`
 * Source: GRPO (DeepSeekMath, arXiv 2402.03300), §4.1.2; TRL's `scale_rewards` and `multi_objective_aggregation`.
 */
export function grpoAdvantages(
  rewards: readonly RewardValue[] | readonly (readonly RewardValue[])[],
  options: GrpoAdvantageOptions = {},
): GrpoAdvantages {
  const { groupSize = rewards.length, scale = "group", aggregation = "sum_then_normalize" } = options;
  checkGroups(rewards.length, groupSize);
  const columns = readColumns(rewards);
  const weights = readWeights(options.weights, columns.length);

  const sum = weightedSum(columns, weights);
  const group = moments(sum, groupSize);
  const batch = moments(sum, sum.length);
  if (aggregation === "sum_then_normalize") {
    const std = scale === "batch" ? batch.std : group.std;
    const advantages = scale === "none" ? centred(sum, group.mean) : standardised(sum, group.mean, std);
    return { advantages: zeroWhereMissing(advantages), metrics: metrics(sum, std) };
  }
  if (scale !== "group") {
    throw new ConfigError(`normalize_then_sum scales by group, then by batch: expected scale "group", got "${scale}"`);
  }
  const scores = columns.map((column) => {
    const { mean, std } = moments(column, groupSize);
    return standardised(column, mean, std).map((z, i) => (Number.isNaN(column[i]!) || !Number.isNaN(z) ? z : 0));
  });
  const score = weightedSum(scores, weights);
  const { mean, std } = moments(score, score.length);
  return { advantages: zeroWhereMissing(standardised(score, mean, std)), metrics: metrics(sum, std) };
}

function checkGroups(count: number, groupSize: number): void {
  if (count === 0) throw new ShapeError("grpoAdvantages: expected at least one reward, got none");
  if (!Number.isInteger(groupSize) || groupSize < 1) {
    throw new ConfigError(`grpoAdvantages: expected groupSize to be a positive integer, got ${groupSize}`);
  }
  if (count % groupSize !== 0) {
    throw new ShapeError(`grpoAdvantages: expected whole groups of ${groupSize}, got ${count} rewards`);
  }
}

/** One array for each reward function; from here on a missing reward is NaN, which arithmetic carries along. */
function readColumns(rewards: readonly RewardValue[] | readonly (readonly RewardValue[])[]): readonly Float64Array[] {
  const rows = rewards.map((reward) => (typeof reward === "object" && reward !== null ? reward : [reward]));
  const functions = rows[0]!.length;
  const columns = Array.from({ length: functions }, () => new Float64Array(rows.length));
  for (const [i, row] of rows.entries()) {
    if (row.length !== functions) {
      throw new ShapeError(
        `grpoAdvantages: expected ${functions} rewards for each completion, got ${row.length} for completion ${i}`,
      );
    }
    for (const [k, reward] of row.entries()) {
      if (reward !== null && !Number.isFinite(reward)) {
        throw new ConfigError(
          `grpoAdvantages: expected a finite reward, or null for a missing one; got ${reward} from reward function ${k} for completion ${i}`,
        );
      }
      columns[k]![i] = reward ?? Number.NaN;
    }
  }
  return columns;
}

function readWeights(weights: readonly number[] | undefined, functions: number): readonly number[] {
  if (weights === undefined) return new Array<number>(functions).fill(1);
  if (weights.length !== functions) {
    throw new ShapeError(
      `grpoAdvantages: expected ${functions} weights, one for each reward function, got ${weights.length}`,
    );
  }
  const bad = weights.find((weight) => !Number.isFinite(weight));
  if (bad !== undefined) throw new ConfigError(`grpoAdvantages: expected finite weights, got ${bad}`);
  return weights;
}

/** Σₖ wₖ rᵢₖ over the rewards that are there; NaN where none is. */
function weightedSum(columns: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const sum = new Float64Array(columns[0]?.length ?? 0).fill(Number.NaN);
  for (const [k, column] of columns.entries()) {
    for (const [i, value] of column.entries()) {
      if (!Number.isNaN(value)) sum[i] = (Number.isNaN(sum[i]!) ? 0 : sum[i]!) + weights[k]! * value;
    }
  }
  return sum;
}

/** Mean and standard deviation of each run of `size` values, repeated for each of its members. */
function moments(values: Float64Array, size: number): { readonly mean: Float64Array; readonly std: Float64Array } {
  const mean = new Float64Array(values.length);
  const std = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += size) {
    const present = values.subarray(start, start + size).filter((value) => !Number.isNaN(value));
    const average = present.reduce((sum, value) => sum + value, 0) / present.length;
    const squares = present.reduce((sum, value) => sum + (value - average) ** 2, 0);
    mean.fill(average, start, start + size);
    std.fill(present.length < 2 ? Number.NaN : Math.sqrt(squares / (present.length - 1)), start, start + size);
  }
  return { mean, std };
}

const centred = (values: Float64Array, mean: Float64Array) => values.map((value, i) => value - mean[i]!);

const standardised = (values: Float64Array, mean: Float64Array, std: Float64Array) =>
  values.map((value, i) => (value - mean[i]!) / (std[i]! + STD_EPSILON));

const zeroWhereMissing = (values: Float64Array) => values.map((value) => (Number.isNaN(value) ? 0 : value));

function metrics(sum: Float64Array, std: Float64Array): GrpoAdvantages["metrics"] {
  return {
    reward: moments(sum, sum.length).mean[0]!,
    reward_std: moments(std, std.length).mean[0]!,
    frac_reward_zero_std: std.filter((value) => value < ZERO_STD).length / std.length,
  };
}
