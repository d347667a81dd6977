/**
 * GRPO without a pipeline: sample, score, compare within the group, improve. The tiny model learns to be brief.
 *
 *   npx tsx examples/03-grpo-in-one-file.ts
 *
 * Ten seconds; the reward is noisy, since every step shows other things, and twelve steps are too few to be brief:
 *
 *   step 1  reward 0.531  four leaf clover: I see the green heart.
 *   …
 *   step 12  reward 0.363  high voltage: I see the high voltage.
 */

import { classification, grpoPresets, imagePrompt } from "rise-ts";
import { jsonlDataset } from "rise-ts/datasets/jsonl";
import { grpoAdvantages, grpoLoss } from "rise-ts/grpo";
import { demoFiles } from "rise-ts/testing";
import { onnxTrainer } from "rise-ts/trainers/onnx";

const [groupSize, picturesPerStep, steps] = [8, 6, Number(process.argv[2] ?? 12)];
const { advantages: scaling, loss: lossOptions } = grpoPresets["rise-paper"];
const { model, train, question } = demoFiles();
const dataset = await jsonlDataset(train, classification(question));
const trainer = await onnxTrainer({ model, device: "cpu" });

/** The share of the text that is the thing's name: 1 for the bare name, 0 where it is missing. */
const reward = (text: string, name: string) => (text.includes(name) ? name.length / text.length : 0);

for (let step = 0; step < steps; step++) {
  // 1. Prompts: pictures of one thing each.
  const first = (step * picturesPerStep) % dataset.length;
  const examples = dataset.slice(first, first + picturesPerStep);
  const prompts = examples.map(({ image }) => imagePrompt(image, "What do you see?"));
  const names = examples.map(({ metadata }) => String(metadata?.shows));

  // 2. A group of completions for each, from the policy as it is now.
  const groups = await trainer.sampler().generate(prompts, { count: groupSize, maxTokens: 40, seed: step });
  const completions = groups.flat();

  // 3. Rewards, and how much better than its group each completion is.
  const rewards = groups.flatMap((group, i) => group.map(({ text }) => reward(text, names[i]!)));
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
  console.log(`step ${step + 1}  reward ${mean.toFixed(3)}  ${names[0]}: ${completions[0]!.text}`);
}
await trainer.dispose();
