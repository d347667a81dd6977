import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { moods } from "../../../examples/pictures/moods";
import { moodQuestion } from "../../../examples/pictures/questions";
import { classification, riseCot } from "../../../src";
import { EngineError } from "../../../src/errors";
import { readSafetensors } from "../../../src/models/files/safetensors";
import { type TorchTrainerOptions, torchTrainer } from "../../../src/trainers/torch";
import { largestError } from "../../models/reference";
import { type Check, type Leg, within } from "../leg";
import { spreads, torchEnvironment } from "../torch/environment";
import { ranksBelow } from "../torch/processes";

const model = fileURLToPath(new URL("../../../examples/tiny-vlm/checkpoint", import.meta.url));
const task = classification(moodQuestion);

/** The same program on one process, on two, and on two with FSDP; and a rank that is killed. */
export const torchRiseCot: Leg = {
  name: "torch-rise-cot",
  does: "runs RISE-CoT on 1 and 2 processes, replicas and FSDP, and resumes it after a rank was killed",
  environment: torchEnvironment,
  async *run({ python, scratch }) {
    const rewards: number[][] = [];
    for (const { name, ...spread } of spreads) {
      const run = await steps({ python, ...spread }, join(scratch, name));
      rewards.push(run);
      const shown = run.map((reward) => reward.toFixed(6)).join(" ");
      // Two steps see all examples once.
      const rises = run.length === 4 && run[2]! + run[3]! > run[0]! + run[1]!;
      yield { what: `rewards on ${name} rise`, ok: rises, detail: shown };
    }
    for (const [i, { name }] of spreads.entries())
      if (i > 0)
        yield within(`rewards on ${name}, against ${spreads[0].name}`, difference(rewards[i]!, rewards[0]!), 1e-5);
    yield* resumed(python, scratch, rewards[1]!);
  },
};

const difference = (a: readonly number[], b: readonly number[]) => Math.max(...b.map((x, i) => Math.abs(x - a[i]!)));

/** Rewards of four steps; rank 1 is killed after some step, if one is given. */
async function steps(
  options: TorchTrainerOptions,
  runDir: string,
  killAfter?: number,
  resume = false,
): Promise<number[]> {
  const { train } = await moods({ seed: 0, train: 8, test: 0, unseen: 0 });
  const run = riseCot({
    task,
    dataset: train,
    trainer: () => torchTrainer({ model, device: "cpu", ...options }),
    steps: 4,
    examplesPerStep: 4,
    groupSize: 4,
    learningRate: 1e-4,
    sampling: { cotMaxTokens: 48, reconstructionMaxTokens: 40 },
    preflight: false,
    finalPass: false,
    checkpointEvery: 1,
    runDir,
    resume,
  });
  const rewards: number[] = [];
  for await (const event of run) {
    if (event.type !== "step-end" || event.stage !== "train") continue;
    rewards.push(Number(event.metrics.reward));
    if (event.step === killAfter) process.kill(ranksBelow()[1]!.pid, "SIGKILL");
  }
  return rewards;
}

async function* resumed(python: string, scratch: string, unbroken: readonly number[]): AsyncGenerator<Check, void> {
  const options = { python, processes: 2 };
  const [whole, broken] = [join(scratch, spreads[1].name), join(scratch, "broken")];
  const error = await steps(options, broken, 2).then(
    () => new Error("nothing failed"),
    (error: Error) => error,
  );
  const says = /rank 1 was ended by signal 9/.test(error.message) && !/learning rate/.test(error.message);
  yield {
    what: "a killed rank ends the run",
    ok: error instanceof EngineError && says,
    detail: error.message.split("\n")[0]!,
  };
  const elsewhere = join(scratch, "elsewhere");
  await cp(broken, elsewhere, { recursive: true });
  const rewards = await steps(options, broken, undefined, true);
  // The killed run ended in step 2, or in writing its checkpoint.
  const rest = unbroken.slice(-rewards.length);
  const continues = rewards.length >= 2 && rewards.length < 4 && rewards.every((reward, i) => reward === rest[i]);
  yield { what: "resume: true continues with the unbroken run's steps", ok: continues, detail: rewards.join(" ") };
  for (const file of [
    "rollouts.jsonl",
    "checkpoints/step-4/model.safetensors",
    "checkpoints/step-4/optimizer.safetensors",
  ]) {
    const [a, b] = await Promise.all([whole, broken].map((dir) => readFile(join(dir, file))));
    yield { what: `… and ends with the same bytes: ${file}`, ok: a!.equals(b!) };
  }
  await steps({ python, processes: 1 }, elsewhere, undefined, true);
  const weights = "checkpoints/step-4/model.safetensors";
  const [a, b] = await Promise.all([whole, elsewhere].map((dir) => readSafetensors(join(dir, weights))));
  const apart = Math.max(...[...a!].map(([name, { data }]) => largestError(b!.get(name)!.data, data)));
  yield within("resume: true on 1 process: a weight", apart, 1e-4);
}
