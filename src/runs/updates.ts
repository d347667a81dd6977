import type { Trainer } from "../trainer";

const updates = new WeakMap<Trainer, number>();

/** Calls `trainer.optimStep`, and counts the update, which shows later whether the weights have moved. */
export async function update(
  trainer: Trainer,
  params: Parameters<Trainer["optimStep"]>[0],
): ReturnType<Trainer["optimStep"]> {
  const result = await trainer.optimStep(params);
  updates.set(trainer, updatesOf(trainer) + 1);
  return result;
}

/** The number of updates that a trainer has made in this process. */
export const updatesOf = (trainer: Trainer | undefined): number => (trainer && updates.get(trainer)) ?? 0;
