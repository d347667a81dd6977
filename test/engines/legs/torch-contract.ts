import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describeTrainer } from "../../../src/testing";
import { checkpointDir, promptOf, reference } from "../../models/reference";
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
  const tests: { readonly name: string; readonly test: () => unknown }[] = [];
  const [one, two] = reference.cases;
  const it = Object.assign((name: string, test: () => unknown) => void tests.push({ name, test }), { skip: () => {} });
  describeTrainer({ describe: (_, body) => body(), it }, label, pool.create, {
    prompts: [promptOf(one!), promptOf(two!)],
    texts: ["A calm lake.", "Two dogs"],
    tolerance: 1e-4,
    ...(!options.lora && { learningRate: 1e-5 }),
  });
  try {
    for (const { name, test } of tests) {
      const problem = await Promise.resolve()
        .then(test)
        .then(
          () => undefined,
          (error: Error) => error,
        );
      yield { what: `${label}: ${name}`, ok: problem === undefined, detail: problem?.stack ?? "" };
    }
  } finally {
    await pool.close();
  }
}
