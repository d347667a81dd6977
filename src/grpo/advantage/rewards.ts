import { ConfigError, ShapeError } from "../../errors";
import { counted } from "../../options/display";

/** The reward of one completion by one reward function; `null` if it does not apply. */
export type RewardValue = number | null;

/** One array for each reward function; a missing reward becomes NaN, which arithmetic carries along. */
export function readColumns(
  rewards: readonly RewardValue[] | readonly (readonly RewardValue[])[],
): readonly Float64Array[] {
  const rows = Array.from<RewardValue | readonly RewardValue[], RewardValue[]>(rewards, (reward) =>
    Array.isArray(reward) || ArrayBuffer.isView(reward)
      ? [...(reward as readonly RewardValue[])]
      : [reward as RewardValue],
  );
  const functions = rows[0]!.length;
  if (functions === 0) throw new ShapeError("grpoAdvantages: expected a reward for each completion, got empty rows");
  const columns = Array.from({ length: functions }, () => new Float64Array(rows.length));
  for (const [i, row] of rows.entries()) {
    if (row.length !== functions)
      throw new ShapeError(
        `grpoAdvantages: expected ${counted(functions, "reward")} for each completion, got ${row.length} for completion ${i}`,
      );
    for (const [k, reward] of row.entries()) {
      if (reward !== null && !Number.isFinite(reward))
        throw new ConfigError(
          `grpoAdvantages: expected a finite reward, or null for a missing one; got ${reward} from reward function ${k} for completion ${i}`,
        );
      columns[k]![i] = reward ?? Number.NaN;
    }
  }
  return columns;
}

export function readWeights(weights: readonly number[] | undefined, functions: number): readonly number[] {
  if (weights === undefined) return new Array<number>(functions).fill(1);
  if (weights.length !== functions)
    throw new ShapeError(
      `grpoAdvantages: expected ${counted(functions, "weight")}, one for each reward function, got ${weights.length}`,
    );
  const bad = weights.findIndex((weight) => !Number.isFinite(weight));
  if (bad >= 0) throw new ConfigError(`grpoAdvantages: expected finite weights, got ${weights[bad]}`);
  return weights;
}

/** The sum Σₖ wₖ rᵢₖ over the rewards that are not missing; NaN if all are. */
export function weightedSum(columns: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const sum = new Float64Array(columns[0]?.length ?? 0).fill(Number.NaN);
  for (const [k, column] of columns.entries())
    for (const [i, value] of column.entries()) {
      if (!Number.isNaN(value)) sum[i] = (Number.isNaN(sum[i]!) ? 0 : sum[i]!) + weights[k]! * value;
    }
  return sum;
}
