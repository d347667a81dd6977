/**
 * Claim: the memory of a model that was disposed of is used by the next one. After ten loads the process is no more than 5 % larger than after three.
 *
 *   node --expose-gc --import tsx bench/dispose.ts [LOADS] [tiny|wide]          five minutes
 *
 * A load samples from the model, takes a step of training, and disposes of both; every load has two prompt lengths, so several graphs. "wide" is
 * the tiny model at 25 million parameters. MiB are resident, and what of them is no mapped file.
 */
import { readFileSync } from "node:fs";
import { onnxBackend } from "../src/backends/onnx";
import { createRng } from "../src/rng";
import { onnxTrainer } from "../src/trainers/onnx";
import { picturePrompts, withTinyModel } from "./model";

const [loads, size] = [Number(process.argv[2] ?? 10), process.argv[3] ?? "wide"];
const after: number[] = [];

await withTinyModel(
  async ({ dir }) => {
    say("before the first load");
    for (let load = 1; load <= loads; load++) {
      await work(dir, load);
      after.push(say(`after ${load} disposals`));
    }
  },
  size === "tiny"
    ? undefined
    : (config) => ({
        ...config,
        text: { ...config.text, hiddenSize: 640, intermediateSize: 1536, layers: 6, heads: 20 },
      }),
);
const settled = after[Math.min(3, loads) - 1]!;
console.log(JSON.stringify({ bench: "dispose", node: process.version, size, after, ratio: after.at(-1)! / settled }));

async function work(model: string, load: number): Promise<void> {
  const options = { model, device: "cpu" } as const;
  const backend = await onnxBackend(options);
  const prompts = picturePrompts(2);
  const longer = [{ role: "user" as const, content: [{ type: "text" as const, text: "What is this? ".repeat(20) }] }];
  for (const asked of [prompts, [longer]]) await backend.generate(asked, { count: 4, maxTokens: 32, seed: load });
  const trainer = await onnxTrainer(options);
  const rng = createRng(load);
  const sequences = [...prompts, longer].map((prompt) => ({
    prompt,
    completion: Array.from({ length: 64 }, () => rng.integer(100)),
  }));
  await trainer.backward(
    sequences,
    sequences.map(({ completion }) => completion.map(() => -1)),
  );
  await trainer.optimStep({ learningRate: 1e-6 });
  say(`load ${load}, loaded`);
  await backend.dispose();
  await trainer.dispose();
}

/** @returns MiB that no file backs */
function say(when: string): number {
  globalThis.gc?.();
  const status = readFileSync("/proc/self/status", "utf8");
  const [all, own] = ["VmRSS", "RssAnon"].map(
    (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024,
  );
  console.log(`${when.padEnd(24)} ${all!.toFixed(0)} MiB, of which no file backs ${own!.toFixed(0)}`);
  return own!;
}
