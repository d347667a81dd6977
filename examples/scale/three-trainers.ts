/**
 * One program, three trainers: only the line of `trainer` differs.
 *
 *   npx tsx examples/scale/three-trainers.ts onnx     this process, on its CPU or GPU
 *   npx tsx examples/scale/three-trainers.ts torch    PyTorch on two processes; eight GPUs are `processes: 8`
 *   npx tsx examples/scale/three-trainers.ts vllm     PyTorch trains, and the server at VLLM_URL samples
 *
 * Each prints the reward of its steps, which rises. The figures differ: LoRA begins with other matrices, and samples are drawn otherwise.
 */
import { classification, riseCot, type Trainer } from "rise-ts";
import { vllmSampler } from "rise-ts/backends/vllm";
import { jsonlDataset } from "rise-ts/datasets/jsonl";
import { demoFiles } from "rise-ts/testing";
import { onnxTrainer } from "rise-ts/trainers/onnx";
import { torchTrainer } from "rise-ts/trainers/torch";

const { model, train, question } = demoFiles();
const task = classification(question);
const dataset = await jsonlDataset(train, task);
const lora = { rank: 16 };
const baseUrl = process.env.VLLM_URL ?? "http://localhost:8000/v1";
const trainers: Readonly<Record<string, () => Promise<Trainer>>> = {
  onnx: () => onnxTrainer({ model, lora }),
  torch: () => torchTrainer({ model, lora, processes: 2 }),
  vllm: async () => vllmSampler(await torchTrainer({ model, lora, processes: 2 }), { baseUrl }),
};

const name = process.argv[2] ?? "onnx";
const trainer = Object.hasOwn(trainers, name) ? trainers[name] : undefined;
if (!trainer) throw new Error(`trainer: expected one of ${Object.keys(trainers).join(", ")}, got ${name}`);

const run = riseCot({
  task,
  dataset: dataset.slice(0, 16),
  trainer,
  steps: Number(process.argv[3] ?? 4),
  examplesPerStep: 4,
  learningRate: 1e-3,
  sampling: { cotMaxTokens: 64, reconstructionMaxTokens: 48 },
});
for await (const event of run)
  if (event.type === "step-end") console.log(`step ${event.step}  reward ${Number(event.metrics.reward).toFixed(6)}`);
