/**
 * The second and third part of the tiny model's training: from `start`, which train.ts makes first, with the lessons of lessons.ts.
 *
 *   npx tsx examples/tiny-vlm/teach.ts [--start runs/tiny-start] [--steps 1150] [--out examples/tiny-vlm/checkpoint] [--work runs/tiny-lessons]
 *     [--seed 0] [--resume] [--lessons all|copying] [--batch 32] [--workers 2]
 *
 * Two workers of one thread each learn other lessons, and every 20 steps continue from the mean of their weights (local SGD, Stich 2019): models of this size gain
 * little from a second thread. Prints the loss, the time left and now and then held-out measurements; measure.ts prints more of them.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readSafetensors, writeSafetensors } from "rise-ts/models/qwen2-vl";
import { stepOf, work } from "./worker";

const here = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "1150" },
    rate: { type: "string", default: "8e-4" },
    batch: { type: "string", default: "32" },
    workers: { type: "string", default: "2" },
    start: { type: "string", default: join("runs", "tiny-start") },
    out: { type: "string", default: join(here, "checkpoint") },
    work: { type: "string", default: "runs/tiny-lessons" },
    seed: { type: "string", default: "0" },
    lessons: { type: "string", default: "all" },
    resume: { type: "boolean", default: false },
    worker: { type: "string" },
  },
});
const workers = Number(values.workers);
const stateOf = (worker: number) => join(values.work, `worker-${worker}`);

/** Starts the workers, and gives all of them the mean of their weights whenever all have saved theirs. */
async function lead(): Promise<void> {
  await mkdir(values.work, { recursive: true });
  for (const file of await readdir(values.start)) await copyFile(join(values.start, file), join(values.work, file));
  await copyScaled(values.start, values.work, 0.5, "F32");
  if (values.resume) await level();
  const script = fileURLToPath(import.meta.url);
  const children = Array.from({ length: workers }, (_, worker) =>
    fork(script, [...process.argv.slice(2), "--worker", `${worker}`], { execArgv: process.execArgv }),
  );
  const ended = Promise.all(children.map((child) => once(child, "exit")));
  let saved = 0;
  for (const child of children)
    child.on("message", async () => {
      if (++saved % workers !== 0) return;
      await average();
      for (const each of children) each.send("go");
    });
  const codes = (await ended).map(([code]) => code as number);
  if (codes.some((code) => code !== 0))
    throw new Error(`a worker ended with ${codes.join(", ")}; continue with --resume`);
  await mkdir(values.out, { recursive: true });
  for (const file of await readdir(values.start))
    if (file !== "model.safetensors") await copyFile(join(values.start, file), join(values.out, file));
  // Doubled logits sample at temperature 1 what would have been sampled at 0.5, as train.ts explains.
  await copyScaled(stateOf(0), values.out, 2, "F16");
  console.log(`wrote ${values.out}`);
}

/** Workers that were stopped at different steps continue from the state of the one that came furthest. */
async function level(): Promise<void> {
  const states = Array.from({ length: workers }, (_, worker) => stateOf(worker));
  const steps = await Promise.all(states.map(stepOf));
  const furthest = states[steps.indexOf(Math.max(...steps))]!;
  for (const [i, state] of states.entries())
    if (steps[i] !== Math.max(...steps)) await cp(furthest, state, { recursive: true });
}

async function average(): Promise<void> {
  const files = Array.from({ length: workers }, (_, worker) => join(stateOf(worker), "model.safetensors"));
  const [mean, ...others] = await Promise.all(files.map((file) => readSafetensors(file)));
  for (const [name, { data }] of mean!)
    data.forEach((value, i) => {
      data[i] = others.reduce((sum, other) => sum + other.get(name)!.data[i]!, value) / workers;
    });
  for (const file of files) await writeSafetensors(file, mean!, "F32");
}

/** The weights of one folder in another, the last norm times `factor`. */
async function copyScaled(from: string, to: string, factor: number, type: "F16" | "F32"): Promise<void> {
  const weights = await readSafetensors(join(from, "model.safetensors"));
  const { data } = weights.get("model.norm.weight")!;
  data.forEach((value, i) => void (data[i] = factor * value));
  await writeSafetensors(join(to, "model.safetensors"), weights, type);
}

if (values.worker === undefined) await lead();
else
  await work({
    model: values.work,
    state: stateOf(Number(values.worker)),
    worker: Number(values.worker),
    workers,
    steps: Number(values.steps),
    rate: Number(values.rate),
    batchSize: Number(values.batch),
    seed: Number(values.seed),
    lessons: values.lessons === "copying" ? "copying" : "all",
    resume: values.resume,
  });
