import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describeTrainer } from "../../../src/testing";
import { checkpointDir, promptOf, reference } from "../../models/reference";
import { lawChecks } from "../law-checks";
import type { Check, Leg } from "../leg";
import { spreads, torchEnvironment } from "../torch/environment";
import { trainerPool } from "../torch/pool";

/** The laws of `rise-ts/testing`, as they are, over processes, sharding and LoRA. */
export const torchContract: Leg = {
  name: "torch-contract",
  does: "holds torchTrainer to the laws of every trainer: 1 and 2 processes, replicas and FSDP, full and LoRA",
  environment: torchEnvironment,
  async *run({ python, scratch }) {
    const only = process.env.RISE_SPREAD;
    for (const { name, ...spread } of spreads)
      for (const lora of [undefined, { rank: 4 }]) {
        const label = `${name}, ${lora ? "LoRA" : "full"}`;
        if (only && !label.includes(only)) continue;
        yield* laws(label, { model: checkpointDir, python, ...spread, ...(lora && { lora }) }, join(scratch, label));
      }
  },
};

async function* laws(
  label: string,
  options: Parameters<typeof trainerPool>[0],
  scratch: string,
): AsyncGenerator<Check, void> {
  await mkdir(scratch, { recursive: true });
  const pool = await trainerPool(options, scratch);
  const [one, two] = reference.cases;
  try {
    yield* lawChecks(`torchTrainer, ${label}`, (runner) =>
      describeTrainer(runner, label, pool.create, {
        prompts: [promptOf(one!), promptOf(two!)],
        texts: ["A calm lake.", "Two dogs"],
        tolerance: 1e-4,
        ...(!options.lora && { learningRate: 1e-5 }),
      }),
    );
  } finally {
    await pool.close();
  }
}
