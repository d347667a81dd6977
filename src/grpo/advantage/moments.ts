/**
 * Mean, standard deviation (n − 1 in its denominator; NaN for fewer than two) and number of the values except NaN.
 */
export interface Moments {
  readonly mean: number;
  readonly std: number;
  readonly count: number;
}

/** Computes the moments. @param round is applied after every operation: `Math.fround` for single precision */
export function moments(values: Float64Array, round: (x: number) => number = (x) => x): Moments {
  const present = values.filter((value) => !Number.isNaN(value)).map(round);
  const count = present.length;
  const mean = round(present.reduce((sum, value) => round(sum + value), 0) / count);
  const squares = present.reduce((sum, value) => round(sum + round(round(value - mean) ** 2)), 0);
  return { mean, std: count < 2 ? Number.NaN : round(Math.sqrt(round(squares / (count - 1)))), count };
}

/** verl's epsilon, in the mean and under the root. */
const WHITEN_EPSILON = 1e-8;

/**
 * Whitens values: (x − mean) / √(var + 1e-8). A value counts as often as its weight says; NaN does not count.
 * @param weights the number of tokens that have a value; all 1 by default
 */
export function whiten(values: Float64Array, weights: ArrayLike<number> = new Float64Array(values.length).fill(1)) {
  let [count, sum, squares] = [0, 0, 0];
  for (const [i, value] of values.entries()) {
    if (Number.isNaN(value)) continue;
    count += weights[i]!;
    sum += weights[i]! * value;
  }
  const mean = sum / (count + WHITEN_EPSILON);
  for (const [i, value] of values.entries()) if (!Number.isNaN(value)) squares += weights[i]! * (value - mean) ** 2;
  // One token has no spread.
  const variance = count < 2 ? Number.NaN : ((squares / (count + WHITEN_EPSILON)) * count) / (count - 1);
  return values.map((value) => (value - mean) / Math.sqrt(variance + WHITEN_EPSILON));
}
