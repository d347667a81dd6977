import { join } from "node:path";
import type { Trainer } from "../../../src/trainer";
import { type TorchTrainerOptions, torchTrainer } from "../../../src/trainers/torch";

/** Trainers that are used again: starting PyTorch takes many times as long as a law. */
export interface Pool {
  /** A trainer as new: `dispose` gives it back. */
  create(): Promise<Trainer>;
  close(): Promise<void>;
}

/** @param scratch a folder for the state that every trainer begins with */
export async function trainerPool(options: TorchTrainerOptions, scratch: string): Promise<Pool> {
  const start = () => torchTrainer({ device: "cpu", ...options });
  const first = await start();
  const beginning = join(scratch, "beginning");
  await first.save(beginning);
  const all = [first];
  const free = [first];
  return {
    async create() {
      const trainer = free.pop() ?? (await start());
      if (!all.includes(trainer)) all.push(trainer);
      await trainer.load(beginning);
      return { ...trainer, dispose: async () => void free.push(trainer) };
    },
    async close() {
      await Promise.all(all.map((trainer) => trainer.dispose()));
    },
  };
}
