/**
 * The second and third part of the tiny model's training: from `start`, which train.ts makes first, with the lessons of lessons.ts.
 *
 * Workers of one thread each learn other lessons, and every 20 steps continue from the mean of their weights (local SGD, Stich 2019): models of this size gain
 * little from a second thread. Prints the loss, the time left and now and then held-out measurements; measure.ts prints more of them.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ConfigError } from "rise-ts";
import { positiveNumber, runProgram, wholeNumber } from "../command-line";
import { averageWeights, forgetStates, keepState, lastState, writeModel } from "./states";
import { lessonsOf, work as teach, type Work, workerFolder } from "./worker";

const usage =
  "npx tsx examples/tiny-vlm/teach.ts [--start runs/tiny-start] [--steps 1150] [--rate 8e-4] [--batch 32] [--workers 2] [--lessons all|copying] [--seed 0] " +
  "[--out examples/tiny-vlm/checkpoint] [--work runs/tiny-lessons] [--resume]";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      start: { type: "string", default: join("runs", "tiny-start") },
      steps: { type: "string", default: "1150" },
      rate: { type: "string", default: "8e-4" },
      batch: { type: "string", default: "32" },
      workers: { type: "string", default: "2" },
      lessons: { type: "string", default: "all" },
      seed: { type: "string", default: "0" },
      out: { type: "string", default: fileURLToPath(new URL("checkpoint", import.meta.url)) },
      work: { type: "string", default: join("runs", "tiny-lessons") },
      resume: { type: "boolean", default: false },
      // A worker's number: the leader starts this program once for each.
      worker: { type: "string" },
    },
  });
  const { start, out, work, lessons, worker } = values;
  if (lessons !== "all" && lessons !== "copying")
    throw new ConfigError(`--lessons: expected ${Object.keys(lessonsOf).join(" or ")}, got ${lessons}`);
  const workers = wholeNumber("--workers", values.workers);
  const learning: Omit<Work, "worker"> = {
    ...{ work, workers, lessons, steps: wholeNumber("--steps", values.steps) },
    ...{ rate: positiveNumber("--rate", values.rate), batchSize: wholeNumber("--batch", values.batch) },
    seed: wholeNumber("--seed", values.seed, 0),
  };
  if (worker !== undefined) return teach({ ...learning, worker: Number(worker) });
  if (!values.resume) await forgetStates(work);
  await writeModel(work, { files: start, weights: start, factor: 0.5, dtype: "F32" });
  await lead(work, workers);
  // Doubled logits sample at temperature 1 what would have been sampled at 0.5, as train.ts explains.
  const { folder } = (await lastState(work))!;
  await writeModel(out, { files: start, weights: workerFolder(folder, 0), factor: 2, dtype: "F16" });
  console.log(`wrote ${out}`);
}

/** Starts the workers, and keeps the mean of their weights as their state whenever all have saved theirs. */
async function lead(work: string, workers: number): Promise<void> {
  const aside = join(work, "aside");
  await rm(aside, { recursive: true, force: true });
  const children = Array.from({ length: workers }, (_, worker) =>
    fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--worker", `${worker}`]),
  );
  let saved = 0;
  for (const child of children)
    child.on("message", async (step: number) => {
      if (++saved % workers !== 0) return;
      await averageWeights(children.map((_, worker) => workerFolder(aside, worker)));
      await keepState(work, step, aside);
      for (const each of children) each.send("kept");
    });
  const ended = children.map(async (child) => {
    const [code] = await once(child, "exit");
    // The others would wait for what it has not saved.
    if (code !== 0) for (const each of children) each.kill();
    return code === 0;
  });
  if ((await Promise.all(ended)).includes(false))
    throw new ConfigError(
      "teach.ts: expected every worker to end, got one that failed; see its message above, and continue with --resume",
    );
}

await runProgram(usage, main);
