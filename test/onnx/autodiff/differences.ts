import { createRng } from "../../../src/rng";
import { type NdArray, ndarray } from "../graph/ndarray";

/**
 * The largest relative error of `claimed` gradients against central differences of `loss`, (L(x + hd) − L(x − hd)) / 2h:
 * along each axis for tensors of at most `elementwise` numbers, and along one random direction for each tensor.
 */
export function gradientError(
  loss: (feeds: ReadonlyMap<string, NdArray>) => number,
  feeds: ReadonlyMap<string, NdArray>,
  claimed: ReadonlyMap<string, NdArray>,
  { elementwise = 64, h = 1e-5 }: { elementwise?: number; h?: number } = {},
): number {
  const slope = (name: string, direction: Float64Array) => {
    const { data, shape } = feeds.get(name)!;
    const at = (step: number) =>
      loss(
        new Map(feeds).set(
          name,
          ndarray(
            data.map((x, i) => x + step * direction[i]!),
            shape,
          ),
        ),
      );
    return (at(h) - at(-h)) / (2 * h);
  };
  const errors = [...claimed].flatMap(([name, { data }]) => {
    const direction = randomDirection(data.length, name);
    const projected = data.reduce((total, x, i) => total + x * direction[i]!, 0);
    const along = relativeError([projected], [slope(name, direction)]);
    if (data.length > elementwise) return [along];
    return [
      along,
      relativeError(
        [...data],
        Array.from(data, (_, i) => slope(name, unit(data.length, i))),
      ),
    ];
  });
  return Math.max(0, ...errors);
}

/** Largest difference over the largest magnitude; below `floor` magnitudes count as `floor`, since a zero has no relative error. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 1e-2): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, magnitude] = [0, floor];
  for (let i = 0; i < actual.length; i++) {
    // Negated, so that NaN counts as infinitely wrong.
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= difference)) difference = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    magnitude = Math.max(magnitude, Math.abs(expected[i]!));
  }
  return difference / magnitude;
}

function randomDirection(length: number, name: string): Float64Array {
  const rng = createRng(1, "direction", name);
  const direction = Float64Array.from({ length }, () => rng.normal());
  const norm = Math.hypot(...direction);
  return direction.map((x) => x / norm);
}

function unit(length: number, axis: number): Float64Array {
  const direction = new Float64Array(length);
  direction[axis] = 1;
  return direction;
}
