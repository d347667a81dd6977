/**
 * Claim: Qwen2-VL-2B's shape trains with LoRA on a laptop's CPU and memory. Random weights: what it costs does not depend on them.
 *
 *   npx tsx bench/two-billion.ts [DIR] [cpu|cuda [half]]        twenty minutes, 4.4 GB of disk in DIR (a temporary folder) for the checkpoint, which stays there
 *
 * A picture of 401 408 pixels (512 tokens) and text, about 700 tokens in all, the last 160 scored, alone and as one of eight completions of one prompt, which is
 * computed once; adapters of rank 16 on every linear layer of the language model. Resident memory counts the checkpoint's mapped file as far as it has been read.
 */
import { availableParallelism } from "node:os";
import { expectedTensors } from "../src/models/checkpoint/recorded";
import { qwen2VlArchitecture } from "../src/models/families/qwen2-vl/family";
import type { Provider } from "../src/onnx/runtime/providers";
import { gemmSpeed } from "../src/onnx/runtime/self-test";
import { createRng } from "../src/rng";
import type { LossFn } from "../src/trainer";
import { onnxTrainer } from "../src/trainers/onnx";
import { clocked, lines, picturePrompt, say, timed, twoBillionModel } from "./two-billion-model";

const [scored, group, rank] = [160, 8, 16];
const { dir, config } = await twoBillionModel(process.argv[2]);
const device = (process.argv[3] ?? "cpu") as Provider;
const precision = process.argv[4] === "half" ? "half" : "float32";
const trainer = await timed("ready to run", () => onnxTrainer({ model: dir, device, precision, lora: { rank } }));
const rng = createRng(0, "two billion completion");
const prompt = picturePrompt();
const completions = Array.from({ length: group }, () => Array.from({ length: scored }, () => rng.integer(1000)));
const raise: LossFn = (logProbs) => ({
  loss: 0,
  gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1)),
});

// Forward, again on the way back, and back to the inputs: three products with every frozen matrix, for every token.
const frozen = [...expectedTensors(qwen2VlArchitecture(config))]
  .filter(([name, shape]) => name.startsWith("model.layers.") && shape.length === 2)
  .reduce((sum, [, [outputs, inputs]]) => sum + outputs! * inputs!, 0);
const promptTokens = 512 + 30;

for (const [what, count, rounds] of [
  ["a step, median of three", 1, 3],
  ["a step over 8 completions", group, 1],
] as const) {
  const chosen = completions.slice(0, count);
  await timed("first step: picture encoded, graphs compiled", () => step(chosen));
  const times = [];
  for (let i = 0; i < rounds; i++) times.push((await clocked(() => step(chosen)))[1]);
  const seconds = times.sort((a, b) => a - b)[(rounds - 1) / 2]!;
  say(what, seconds);
  const tokens = promptTokens + count * scored;
  const head = 2 * 2 * config.text.vocabSize * config.text.hiddenSize * count * scored;
  const floor = (3 * 2 * frozen * tokens + head) / 1e9;
  const gflops = await gemmSpeed(device, 2000);
  console.log(
    `bare matrix products of it: ${(floor / gflops).toFixed(1)} s at ${gflops.toFixed(0)} GFLOP/s; the step takes ${(seconds / (floor / gflops)).toFixed(2)} times that`,
  );
}
await trainer.dispose();
console.log(
  JSON.stringify({
    bench: "two-billion",
    device,
    precision,
    cores: availableParallelism(),
    node: process.version,
    lines,
  }),
);

async function step(chosen: readonly (readonly number[])[]): Promise<void> {
  const sequences = chosen.map((completion) => ({ prompt, completion }));
  const assumedLogProbs = chosen.map(() => new Float64Array(scored).fill(-1));
  await trainer.forwardBackward(sequences, raise, { assumedLogProbs });
  await trainer.optimStep({ learningRate: 1e-4 });
}
