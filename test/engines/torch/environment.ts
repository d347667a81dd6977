import { fileURLToPath } from "node:url";
import type { Trainer } from "../../../src/trainer";
import { type TorchTrainerOptions, torchTrainer } from "../../../src/trainers/torch";
import type { Environment } from "../leg";

/** The packages that the shipped worker needs. */
export const torchEnvironment: Environment = {
  variable: "RISE_PYTHON",
  requirements: fileURLToPath(new URL("../../../python/requirements-torch.txt", import.meta.url)),
  folder: ".venv-engines",
};

/** Gives a trainer on the CPU to `use`, and disposes of it. */
export async function withTorch<T>(options: TorchTrainerOptions, use: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await torchTrainer({ device: "cpu", ...options });
  return use(trainer).finally(() => trainer.dispose());
}

/** The ways in which the same trainer may run. */
export const spreads = [
  { name: "1 process", processes: 1, shard: "none" },
  { name: "2 processes", processes: 2, shard: "none" },
  { name: "2 processes, FSDP", processes: 2, shard: "fsdp" },
] as const;
