import type { Sequence } from "./batch";

/**
 * The lowest entropy that belongs to the top `share`: the (1 − share)-quantile over all unmasked tokens, linearly
 * interpolated.
 */
export function entropyThreshold(sequences: readonly Sequence[], share: number): number {
  const sorted = Float64Array.from(sequences.flatMap(({ entropies }) => [...entropies!])).sort();
  if (sorted.length === 0) return Number.NEGATIVE_INFINITY;
  const rank = wholeIfMeant((1 - share) * (sorted.length - 1));
  const [below, above] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
  return below + (rank - Math.floor(rank)) * (above - below);
}

/** (1 − 0.9)·10 is not 1 in floating point, and the token at the threshold would be lost. */
const wholeIfMeant = (rank: number) => (Math.abs(rank - Math.round(rank)) < 1e-9 ? Math.round(rank) : rank);

/**
 * The loss −c·mean H over the tokens at or above the threshold, and its gradient by the entropies.
 * @param coefficient c, divided by the number of accumulation steps
 */
export function entropyBonus(sequences: readonly Sequence[], threshold: number, coefficient: number) {
  let [sum, count] = [0, 0];
  for (const { entropies } of sequences) {
    for (const entropy of entropies!) {
      if (entropy < threshold) continue;
      sum += entropy;
      count += 1;
    }
  }
  const weight = coefficient / Math.max(count, 1);
  const gradient = sequences.map(({ tokens, positions, entropies }) => {
    const row = new Float64Array(tokens);
    for (const [k, position] of positions.entries()) if (entropies![k]! >= threshold) row[position] = -weight;
    return row;
  });
  return { loss: -weight * sum, gradient };
}
