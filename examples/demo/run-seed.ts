import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Example, evaluate, riseCot, riseR1, type StepMetrics, type Task, type Trainer } from "rise-ts";
import { htmlReport } from "rise-ts/report";
import { type OnnxTrainerOptions, onnxTrainer } from "rise-ts/trainers/onnx";
import type { EvaluationRecord } from "rise-ts/types";
import type { Parts } from "../pictures/moods";
import { savePicture } from "../pictures/save";
import { scoreTable } from "./print";
import { followRun } from "./progress";
import {
  answerMaxTokens,
  examplesPerStep,
  groupSize,
  learningRates,
  partSizes,
  type Steps,
  sampling,
  sftBatchSize,
} from "./settings";
import { type DemoTask, scoreBaseline } from "./tasks";

export interface SeedOptions {
  readonly seed: number;
  readonly steps: Steps;
  readonly model: string;
  readonly device: NonNullable<OnnxTrainerOptions["device"]>;
  readonly out: string;
  readonly resume: boolean;
  readonly stop: AbortSignal;
}

/** Scores on one part of the data, by metric. */
export type Scores = Readonly<Record<string, number>>;

export interface WorkedExample {
  readonly picture: string;
  readonly shows: unknown;
  readonly cot: string;
  readonly answer: string;
  readonly truth: string;
}

export interface SeedResult {
  readonly seed: number;
  readonly task: string;
  readonly better: "lower" | "higher";
  readonly kept: { readonly cots: number; readonly of: number };
  /** Row of the table → scores on held-out pictures, and on held-out pictures of things that training never showed. */
  readonly rows: Readonly<Record<string, { readonly test: Scores; readonly unseen: Scores }>>;
  readonly learning: Readonly<Record<string, readonly StepMetrics[]>>;
  readonly examples: readonly WorkedExample[];
}

/** The whole of RISE and what it is compared with, for one seed of data and sampling. */
export async function runSeed<A>(demo: DemoTask<A>, options: SeedOptions): Promise<SeedResult> {
  const { seed, steps, out, stop } = options;
  const { task } = demo;
  const first = await onnxTrainer({ model: options.model, device: options.device });
  const parts = await demo.data({ seed, ...partSizes(steps) });
  const common = { task, dataset: parts.train, seed, resume: options.resume, stop, checkpointEvery: 10 };
  const rows: Record<string, { test: Scores; unseen: Scores }> = {};
  for (const [name, predict] of Object.entries(demo.baselines)) {
    const prediction = predict(parts.train);
    rows[name] = {
      test: scoreBaseline(demo, prediction, parts.test),
      unseen: scoreBaseline(demo, prediction, parts.unseen),
    };
  }

  // Stage 1, and the base model, which is what stage 1 begins with.
  rows["base model"] = await scores(demo, parts, first, stop);
  const cot = await followRun(
    `seed ${seed}: RISE-CoT`,
    riseCot({
      ...common,
      trainer: first,
      groupSize,
      examplesPerStep,
      steps: steps.cot,
      learningRate: learningRates.cot,
      sampling,
      runDir: join(out, "rise-cot"),
    }),
  );
  await first.dispose();

  // Stage 2 begins with the base model again: first D_high, then all examples.
  const second = await onnxTrainer({ model: options.model, device: options.device });
  const sft = {
    steps: steps.sft,
    batchSize: sftBatchSize,
    learningRate: learningRates.sft(steps.sft),
    lossType: "token",
  } as const;
  const rft = {
    steps: steps.rft,
    groupSize,
    examplesPerStep,
    learningRate: learningRates.rft,
    sampling: { maxTokens: answerMaxTokens },
  };
  await followRun(
    `seed ${seed}: SFT`,
    riseR1({ ...common, trainer: second, cots: cot.dataset, sft, rft: false, runDir: join(out, "sft") }),
  );
  rows["SFT only"] = await scores(demo, parts, second, stop);
  const rise = await followRun(
    `seed ${seed}: RFT`,
    riseR1({ ...common, trainer: second, cots: [], sft: false, rft, runDir: join(out, "rft") }),
  );
  rows.RISE = await scores(demo, parts, second, stop);
  const shown = parts.test.slice(0, 5);
  const { records } = await evaluate({
    task,
    dataset: shown,
    backend: second.sampler(),
    maxTokens: answerMaxTokens,
  });
  await second.dispose();

  const third = await onnxTrainer({ model: options.model, device: options.device });
  const visualRft = await followRun(
    `seed ${seed}: RFT only`,
    riseR1({ ...common, trainer: third, cots: [], sft: false, rft, runDir: join(out, "rft-only") }),
  );
  rows["RFT only (Visual-RFT)"] = await scores(demo, parts, third, stop);
  await third.dispose();

  const result: SeedResult = {
    seed,
    task: demo.name,
    better: demo.better,
    kept: { cots: cot.kept.length, of: parts.train.length },
    rows,
    learning: { "RISE-CoT": cot.metrics, RFT: rise.metrics, "RFT only": visualRft.metrics },
    examples: await workedExamples(task, shown, records, out),
  };
  const report = await htmlReport({
    title: `RISE, ${demo.name}, seed ${seed}`,
    task,
    dataset: [...parts.train, ...shown],
    tables: [scoreTable([result])],
    records,
    runs: [
      { title: "RISE-CoT: justify annotations", runDir: join(out, "rise-cot") },
      { title: "RISE-R1: learn to think from the best cots", runDir: join(out, "sft") },
      { title: "RISE-R1: think, then answer", runDir: join(out, "rft") },
      { title: "For comparison, RFT only (Visual-RFT)", runDir: join(out, "rft-only") },
    ],
  });
  await writeFile(join(out, "report.html"), report);
  return result;
}

async function scores<A>(
  demo: DemoTask<A>,
  parts: Parts<A>,
  trainer: Trainer,
  signal: AbortSignal,
): Promise<{ test: Scores; unseen: Scores }> {
  const part = async (dataset: readonly Example<A>[]) => {
    const options = {
      task: demo.task,
      dataset,
      backend: trainer.sampler(),
      metrics: demo.metrics,
      maxTokens: answerMaxTokens,
    };
    return (await evaluate({ ...options, batchSize: 60, signal })).metrics;
  };
  return { test: await part(parts.test), unseen: await part(parts.unseen) };
}

/** Held-out pictures, written to files, as the trained model annotates them. */
async function workedExamples<A>(
  task: Task<A>,
  dataset: readonly Example<A>[],
  records: readonly EvaluationRecord<A>[],
  out: string,
): Promise<WorkedExample[]> {
  const folder = join(out, "pictures");
  await mkdir(folder, { recursive: true });
  return Promise.all(
    dataset.map(async ({ id, image, annotation, subject, metadata }, i) => {
      const { think, prediction, text } = records[i]!;
      return {
        picture: await savePicture(image, join(folder, `${id}.png`)),
        shows: subject ?? metadata?.shows,
        cot: think ?? "(none)",
        answer: prediction === null ? `(unreadable) ${text}` : task.format(prediction),
        truth: task.format(annotation),
      };
    }),
  );
}
