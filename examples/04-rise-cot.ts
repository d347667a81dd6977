/**
 * Stage 1 of RISE on the tiny model: it learns to justify moods without giving them away, and keeps the best justification of each picture.
 *
 *   npx tsx examples/04-rise-cot.ts
 *
 * Ten seconds:
 *
 *   step 1/12  reward 0.787  leaks 0.03125  format 1
 *   …
 *   step 12/12  reward 0.851  leaks 0  format 1
 *   13 of 16 cots reach τ
 *   train-0  reward 0.966  gain over no cot 0.411
 *     I see the cactus. It looks plain.
 */
import { classification, riseCot } from "rise-ts";
import { jsonlDataset } from "rise-ts/datasets/jsonl";
import { demoFiles } from "rise-ts/testing";
import { onnxTrainer } from "rise-ts/trainers/onnx";

const { model, train, question } = demoFiles();
const task = classification(question);
const dataset = await jsonlDataset(train, task);

const run = riseCot({
  task,
  dataset: dataset.slice(0, 16),
  trainer: () => onnxTrainer({ model, device: "cpu" }),
  steps: Number(process.argv[2] ?? 8),
  examplesPerStep: 4,
  learningRate: 1e-4,
  sampling: { cotMaxTokens: 64, reconstructionMaxTokens: 48 },
});

for await (const event of run) {
  if (event.type !== "step-end") continue;
  const { reward, "rise/leak_rate": leaks, "rise/format_rate": format } = event.metrics;
  console.log(
    `step ${event.step}/${event.totalSteps}  reward ${Number(reward).toFixed(3)}  leaks ${leaks}  format ${format}`,
  );
}

const { dataset: cots, kept } = await run;
console.log(`${kept.length} of ${cots.length} cots reach τ`);
for (const { exampleId, cot, reward, cotGain } of cots.slice(0, 3))
  console.log(`${exampleId}  reward ${reward.toFixed(3)}  gain over no cot ${cotGain?.toFixed(3)}\n  ${cot}`);
