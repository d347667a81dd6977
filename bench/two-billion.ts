/**
 * Claim: Qwen2-VL-2B's shape trains with LoRA on a laptop's CPU and memory. Random weights: what it costs does not depend on them.
 *
 *   npx tsx bench/two-billion.ts [DIR]        a quarter of an hour, 4.4 GB of disk in DIR (a temporary folder) for the checkpoint, which stays there
 *
 * A picture of 401 408 pixels (512 tokens) and text, about 700 tokens in all, the last 160 scored; adapters of rank 16 on every linear layer of the
 * language model. Resident memory counts the checkpoint's mapped file as far as it has been read.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tinyConfig } from "../examples/tiny-vlm/shape";
import { exists } from "../src/models/model-directory";
import type { Qwen2VlConfig } from "../src/models/qwen2-vl/config";
import { initialiseCheckpoint } from "../src/models/qwen2-vl/initialise";
import { expectedTensors } from "../src/models/qwen2-vl/weights";
import { gemmSpeed } from "../src/onnx/gemm-speed";
import { createRng } from "../src/rng";
import { onnxTrainer } from "../src/trainers/onnx";
import type { LossFn } from "../src/trainers/trainer";
import type { RawImage } from "../src/types";

const dir = process.argv[2] ?? join(tmpdir(), "rise-two-billion");
const tokenizer = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));
const [scored, rank] = [160, 16];
const lines: string[] = [];

const config = await twoBillion();
if (!(await exists(join(dir, "model.safetensors")))) {
  await mkdir(dir, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json"])
    await copyFile(join(tokenizer, file), join(dir, file));
  await timed("make the checkpoint, once", () => initialiseCheckpoint(dir, config, { seed: 0, dtype: "BF16" }));
}

const trainer = await timed("ready to run", () => onnxTrainer({ model: dir, device: "cpu", lora: { rank } }));
const rng = createRng(0, "two billion");
const data = Uint8Array.from({ length: 448 * 896 * 3 }, () => rng.integer(256));
const image: RawImage = { width: 896, height: 448, data };
const prompt = [
  {
    role: "user" as const,
    content: [
      { type: "image" as const, image },
      { type: "text" as const, text: "Which mood do people connect with this image?" },
    ],
  },
];
const sequences = [{ prompt, completion: Array.from({ length: scored }, () => rng.integer(1000)) }];
const raise: LossFn = (logProbs) => ({
  loss: 0,
  gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1)),
});
const assumedLogProbs = [new Float64Array(scored).fill(-1)];

await timed("first step: picture encoded, graphs compiled", step);
const times = [];
for (let i = 0; i < 3; i++) times.push((await clocked(step))[1]);
const seconds = times.sort((a, b) => a - b)[1]!;
say("a step, median of three", seconds);
await timed("8 tokens, 1 completion", () => trainer.sampler().generate([prompt], { maxTokens: 8, seed: 0 }));
await trainer.dispose();

// Forward, again on the way back, and back to the inputs: three products with every frozen matrix, for every token.
const frozen = [...expectedTensors(config)]
  .filter(([name, shape]) => name.startsWith("model.layers.") && shape.length === 2)
  .reduce((sum, [, [outputs, inputs]]) => sum + outputs! * inputs!, 0);
const tokens = 512 + 30 + scored;
const floor = (3 * 2 * frozen * tokens + 2 * 2 * config.text.vocabSize * config.text.hiddenSize * scored) / 1e9;
const gflops = await gemmSpeed("cpu", 2000);
console.log(
  `bare matrix products of a step: ${(floor / gflops).toFixed(1)} s at ${gflops.toFixed(0)} GFLOP/s; the step takes ${(seconds / (floor / gflops)).toFixed(2)} times that`,
);
console.log(JSON.stringify({ bench: "two-billion", cores: availableParallelism(), node: process.version, lines }));

async function step(): Promise<void> {
  await trainer.forwardBackward(sequences, raise, { assumedLogProbs });
  await trainer.optimStep({ learningRate: 1e-4 });
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [result, seconds] = await clocked(work);
  say(what, seconds);
  return result;
}

async function clocked<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  return [await work(), (performance.now() - start) / 1000];
}

function say(what: string, seconds: number): void {
  const peak = process.resourceUsage().maxRSS / 2 ** 20;
  const line = `${what.padEnd(46)} ${seconds.toFixed(1).padStart(7)} s   peak so far ${peak.toFixed(2)} GiB resident`;
  lines.push(line);
  console.log(line);
}

/** Qwen2-VL-2B-Instruct's config.json, around the tiny model's tokens. */
async function twoBillion(): Promise<Qwen2VlConfig> {
  const tiny = await tinyConfig(tokenizer);
  return {
    ...tiny,
    text: {
      vocabSize: 151_936,
      hiddenSize: 1536,
      intermediateSize: 8960,
      layers: 28,
      heads: 12,
      kvHeads: 2,
      headDim: 128,
      rmsNormEps: 1e-6,
      ropeTheta: 1_000_000,
      mropeSection: [16, 24, 24],
      contextLength: 32_768,
      tieWordEmbeddings: true,
    },
    vision: { ...tiny.vision, depth: 32, embedDim: 1280, heads: 16 },
  };
}
