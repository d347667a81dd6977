import { createRng } from "../../rng";

/**
 * The `count` items of a step: every epoch takes all items in an order of its own, and steps follow each other without
 * gaps.
 * @param step from 0
 */
export function shuffledBatch<T>(items: readonly T[], step: number, count: number, seed: number): readonly T[] {
  const orders = new Map<number, readonly T[]>();
  return Array.from({ length: count }, (_, i) => {
    const position = step * count + i;
    const epoch = Math.floor(position / items.length);
    const order = orders.get(epoch) ?? createRng(seed, "epoch", epoch).shuffle(items);
    orders.set(epoch, order);
    return order[position % items.length]!;
  });
}

/** The `count` items of a step in their own order, fewer in the last step. */
export const orderedBatch = <T>(items: readonly T[], step: number, count: number): readonly T[] =>
  items.slice(step * count, (step + 1) * count);
