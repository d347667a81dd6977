/**
 * Trains the tiny Qwen2-VL from nothing on composed pictures and their descriptions, with this library alone: the first part, which teach.ts continues.
 *
 *   npx tsx examples/tiny-vlm/train.ts [--steps 6000] [--out runs/tiny-start] [--seed 0] [--resume]
 *
 * Prints the loss, the time left and now and then what the model writes about a picture it has not seen.
 */
import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { initialiseCheckpoint, readSafetensors, writeSafetensors } from "rise-ts/models/qwen2-vl";
import { adamw, chain, clipByGlobalNorm, cosineSchedule } from "rise-ts/optim";
import { onnxTrainer } from "rise-ts/trainers/onnx";
import { exercise, looking, naming, practice } from "./practice";
import { tinyConfig } from "./shape";

const here = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "6000" },
    out: { type: "string", default: join("runs", "tiny-start") },
    seed: { type: "string", default: "0" },
    work: { type: "string", default: "runs/tiny-vlm" },
    resume: { type: "boolean", default: false },
  },
});
const steps = Number(values.steps);
const seed = Number(values.seed);
/** First name one thing, then several and where they are, then practise RISE's prompt formats too, and at last above all these. */
const parts = [
  { lesson: naming, until: 0.18, batchSize: 64 },
  { lesson: looking, until: 0.36, batchSize: 48 },
  { lesson: practice, until: 0.6, batchSize: 32 },
  { lesson: exercise, until: 1, batchSize: 32 },
] as const;
const restart = Math.round(0.6 * steps);

await mkdir(values.work, { recursive: true });
const tokenizerFiles = (await readdir(join(here, "checkpoint"))).filter((file) =>
  /token|generation|preprocessor|jinja/.test(file),
);
for (const file of tokenizerFiles) await copyFile(join(here, "checkpoint", file), join(values.work, file));
await initialiseCheckpoint(values.work, await tinyConfig(values.work), { seed });

const trainer = await onnxTrainer({
  model: values.work,
  device: "cpu",
  rowsAtOnce: 16,
  optimizer: chain(
    clipByGlobalNorm(1),
    adamw({ beta2: 0.98, weightDecay: 0.02, decays: (name) => name.endsWith(".weight") && !/norm|ln_q/.test(name) }),
  ),
});
/** Down to nothing, and once more from two thirds of the height. */
const first = cosineSchedule({ learningRate: 1.2e-3, warmupSteps: 100, totalSteps: restart });
const second = cosineSchedule({ learningRate: 8e-4, warmupSteps: 50, totalSteps: steps - restart });
const learningRate = (step: number) => (step <= restart ? first(step) : second(step - restart));

const latest = join(values.work, "latest");
let done = 0;
if (values.resume) {
  await trainer.load(latest);
  done = (JSON.parse(await readFile(join(latest, "optimizer.json"), "utf8")) as { step: number }).step;
}

const started = Date.now();
let recent = 0;
for (let step = done + 1; step <= steps; step++) {
  const { lesson, batchSize } = parts.find(({ until }) => step <= until * steps)!;
  const samples = await Promise.all(Array.from({ length: batchSize }, (_, i) => lesson(seed, step * 64 + i)));
  const sequences = samples.map(({ prompt, completion }) => ({ prompt, completion: trainer.encode(completion) }));
  const tokens = sequences.reduce((n, { completion }) => n + completion.length, 0);
  const { loss } = await trainer.forwardBackward(
    sequences,
    (logProbs) => ({
      loss: -logProbs.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0) / tokens,
      gradient: logProbs.map((row) => new Float64Array(row.length).fill(-1 / tokens)),
    }),
    // The gradient of a cross-entropy does not depend on the log-probs.
    { assumedLogProbs: sequences.map(({ completion }) => completion) },
  );
  await trainer.optimStep({ learningRate: learningRate(step) });
  recent = recent === 0 ? loss : 0.95 * recent + 0.05 * loss;
  if (step % 50 === 0) {
    const seconds = (Date.now() - started) / 1000;
    console.log(
      `step ${step}/${steps}  loss ${recent.toFixed(3)}  ${seconds.toFixed(0)} s, about ${((seconds / (step - done)) * (steps - step)).toFixed(0)} s left`,
    );
  }
  if (step % 300 === 0 || step === steps) {
    await show(step);
    await trainer.save(latest);
  }
}

const trained = await readSafetensors(join(latest, "model.safetensors"));
// A model this small is unsure of every word. Doubled logits sample at temperature 1 what would have been sampled at 0.5.
const { data: norm } = trained.get("model.norm.weight")!;
norm.forEach((value, i) => void (norm[i] = 2 * value));
await mkdir(values.out, { recursive: true });
for (const file of ["config.json", ...tokenizerFiles]) await copyFile(join(values.work, file), join(values.out, file));
// Half precision halves the repository's share, and float32 is what it is computed in again.
await writeSafetensors(join(values.out, "model.safetensors"), trained, "F16");
console.log(`wrote ${values.out} after ${((Date.now() - started) / 1000).toFixed(0)} s`);
await trainer.dispose();

async function show(step: number): Promise<void> {
  const samples = await Promise.all(Array.from({ length: 4 }, (_, i) => practice(seed + 1, step + i)));
  const written = await trainer.sampler().generate(
    samples.map(({ prompt }) => prompt),
    { seed: 0, temperature: 0, maxTokens: 90 },
  );
  samples.forEach(({ completion }, i) => {
    console.log(`  wanted: ${completion}\n  wrote:  ${written[i]![0]!.text}`);
  });
}
