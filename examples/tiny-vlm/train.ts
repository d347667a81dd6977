/**
 * Trains the tiny Qwen2-VL from nothing on composed pictures and their descriptions, with this library alone: the first part, which teach.ts continues.
 *
 * Prints the loss, the time left and now and then what the model writes about a picture it has not seen.
 */
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Trainer } from "rise-ts";
import { initialiseCheckpoint } from "rise-ts/models/qwen2-vl";
import { cosineSchedule } from "rise-ts/optim";
import { onnxTrainer } from "rise-ts/trainers/onnx";
import { runProgram, wholeNumber } from "../command-line";
import { learn, progressOf, tinyOptimizer } from "./learning";
import { exercise, looking, naming, practice } from "./practice";
import { tinyConfig } from "./shape";
import { forgetStates, keepState, lastState, writeModel } from "./states";

const usage =
  "npx tsx examples/tiny-vlm/train.ts [--steps 6000] [--seed 0] [--out runs/tiny-start] [--work runs/tiny-vlm] [--resume]";

/** First name one thing, then several and where they are, then practise RISE's prompt formats too, and at last above all these. */
const parts = [
  { lesson: naming, until: 0.18, batchSize: 64 },
  { lesson: looking, until: 0.36, batchSize: 48 },
  { lesson: practice, until: 0.6, batchSize: 32 },
  { lesson: exercise, until: 1, batchSize: 32 },
] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      steps: { type: "string", default: "6000" },
      seed: { type: "string", default: "0" },
      out: { type: "string", default: join("runs", "tiny-start") },
      work: { type: "string", default: join("runs", "tiny-vlm") },
      resume: { type: "boolean", default: false },
    },
  });
  const [steps, seed] = [wholeNumber("--steps", values.steps), wholeNumber("--seed", values.seed, 0)];
  const { work, out } = values;
  if (!values.resume) await forgetStates(work);
  const state = await lastState(work);
  await beginning(work, seed);
  const trainer = await onnxTrainer({ model: work, device: "cpu", rowsAtOnce: 16, optimizer: tinyOptimizer() });
  if (state) await trainer.load(state.folder);
  const begun = state?.step ?? 0;
  const learningRate = rateOf(steps);
  const progress = progressOf(begun, steps);
  for (let step = begun + 1; step <= steps; step++) {
    const { lesson, batchSize } = parts.find(({ until }) => step <= until * steps)!;
    const lessons = await Promise.all(Array.from({ length: batchSize }, (_, i) => lesson(seed, step * 64 + i)));
    const rows = lessons.map(({ prompt, completion: text }) => {
      const completion = trainer.encode(text);
      return { prompt, completion, weights: completion.map(() => 1) };
    });
    progress.add(await learn(trainer, rows, learningRate(step)));
    if (step % 50 === 0) console.log(progress.line(step));
    if (step % 300 !== 0 && step !== steps) continue;
    await show(trainer, seed + 1, step);
    const aside = join(work, "aside");
    await trainer.save(aside);
    await keepState(work, step, aside);
  }
  await trainer.dispose();
  // A model this small is unsure of every word. Doubled logits sample at temperature 1 what would have been sampled at 0.5.
  // Half precision halves the repository's share, and float32 is what it is computed in again.
  await writeModel(out, { files: work, weights: (await lastState(work))!.folder, factor: 2, dtype: "F16" });
  console.log(`wrote ${out}`);
}

/** Writes the model of no training: fresh weights around the tokenizer. */
async function beginning(work: string, seed: number): Promise<void> {
  const checkpoint = fileURLToPath(new URL("checkpoint", import.meta.url));
  await mkdir(work, { recursive: true });
  for (const file of (await readdir(checkpoint)).filter((name) => /token|generation|preprocessor/.test(name)))
    await copyFile(join(checkpoint, file), join(work, file));
  await initialiseCheckpoint(work, await tinyConfig(work), { seed });
}

/** Down to nothing, and once more from two thirds of the height. */
function rateOf(steps: number): (step: number) => number {
  const restart = Math.round(0.6 * steps);
  const falling = (learningRate: number, warmupSteps: number, totalSteps: number) =>
    cosineSchedule({ learningRate, warmupSteps: Math.min(warmupSteps, totalSteps - 1), totalSteps });
  const [first, second] = [falling(1.2e-3, 100, restart), falling(8e-4, 50, steps - restart)];
  return (step) => (step <= restart ? first(step) : second(step - restart));
}

async function show(trainer: Trainer, seed: number, step: number): Promise<void> {
  const samples = await Promise.all(Array.from({ length: 4 }, (_, i) => practice(seed, step + i)));
  const prompts = samples.map(({ prompt }) => prompt);
  const written = await trainer.sampler().generate(prompts, { seed: 0, temperature: 0, maxTokens: 90 });
  for (const [i, { completion }] of samples.entries())
    console.log(`  wanted: ${completion}\n  wrote:  ${written[i]![0]!.text}`);
}

await runProgram(usage, main);
