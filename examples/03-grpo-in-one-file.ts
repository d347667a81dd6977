/**
 * GRPO without a pipeline: sample, score, compare within the group, improve. The tiny model learns to see the bright side of everything.
 *
 *   npx tsx examples/03-grpo-in-one-file.ts
 *
 * Ten seconds; every step shows other pictures:
 *
 *   step 1  reward 0.333  I see the green heart. It looks bright.
 *   …
 *   step 12  reward 1.000  I see the smiling cat with heart eyes. It looks bright.
 */
import { classification, grpoPresets } from "rise-ts";
import { jsonlDataset } from "rise-ts/datasets/jsonl";
import { grpoAdvantages, grpoLoss } from "rise-ts/grpo";
import { demoFiles } from "rise-ts/testing";
import { onnxTrainer } from "rise-ts/trainers/onnx";

const [groupSize, picturesPerStep, steps] = [8, 6, Number(process.argv[2] ?? 12)];
const { advantages: scaling, loss: lossOptions } = grpoPresets["rise-paper"];
const { model, train, question } = demoFiles();
const task = classification(question);
const dataset = await jsonlDataset(train, task);
const trainer = await onnxTrainer({ model, device: "cpu" });

/** 1 for a text that calls something bright, warm or lively, whatever the picture shows. */
const reward = (text: string): number => (/bright|warm|lively/.test(text) ? 1 : 0);

for (let step = 0; step < steps; step++) {
  // 1. Prompts: why does this picture have its mood?
  const first = (step * picturesPerStep) % dataset.length;
  const prompts = dataset.slice(first, first + picturesPerStep).map((example) => task.cotPrompt(example));

  // 2. A group of completions for each, from the policy as it is now.
  const groups = await trainer.sampler().generate(prompts, { count: groupSize, maxTokens: 40, seed: step });
  const completions = groups.flat();

  // 3. Rewards, and how much better than its group each completion is.
  const rewards = completions.map(({ text }) => reward(text));
  const { advantages } = grpoAdvantages(rewards, { ...scaling, groupSize });

  // 4. One update. The gradient of the loss by each token's log-probability is all that the model needs to be told.
  const oldLogProbs = completions.map(({ logProbs }) => logProbs!);
  await trainer.forwardBackward(
    completions.map(({ tokenIds }, i) => ({ prompt: prompts[Math.floor(i / groupSize)]!, completion: tokenIds! })),
    (logProbs) => grpoLoss({ logProbs, oldLogProbs, advantages }, lossOptions),
    { assumedLogProbs: oldLogProbs },
  );
  await trainer.optimStep({ learningRate: 5e-4 });

  const mean = rewards.reduce((a, b) => a + b, 0) / rewards.length;
  console.log(`step ${step + 1}  reward ${mean.toFixed(3)}  ${completions[0]!.text}`);
}
await trainer.dispose();
