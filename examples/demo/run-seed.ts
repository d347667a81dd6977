import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Example, riseCot, riseR1, type StepMetrics, selectHighQuality, type Task } from "rise-ts";
import { htmlReport } from "rise-ts/report";
import { type OnnxTrainerOptions, onnxTrainer } from "rise-ts/trainers/onnx";
import type { EvaluationRecord } from "rise-ts/types";
import { savePicture } from "../pictures/save";
import { type Arm, arms, lessonsOf, rise } from "./arms";
import { type RowScores, scoreModel, scoreReference, type ThoughtWorth, thoughtWorth } from "./measure";
import { scoreTable } from "./print";
import { followRun } from "./progress";
import {
  answerMaxTokens,
  examplesPerStep,
  groupSize,
  learningRates,
  partSizes,
  rehearsal,
  type Steps,
  sftBatchSize,
} from "./settings";
import type { DemoTask } from "./tasks";

export interface SeedOptions {
  readonly seed: number;
  readonly steps: Steps;
  readonly model: string;
  readonly device: NonNullable<OnnxTrainerOptions["device"]>;
  readonly threads?: number;
  readonly out: string;
  readonly resume: boolean;
  readonly stop: AbortSignal;
}

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
  readonly rows: Readonly<Record<string, RowScores>>;
  /** The worth of true thoughts about held-out pictures before and after stage 1. */
  readonly thoughts: Readonly<Record<"before" | "after", Readonly<Record<"test" | "unseen", ThoughtWorth>>>>;
  readonly learning: Readonly<Record<string, readonly StepMetrics[]>>;
  readonly examples: readonly WorkedExample[];
}

/** The whole of RISE and what it is compared with, for one seed of data and sampling. */
export async function runSeed<A>(demo: DemoTask<A>, options: SeedOptions): Promise<SeedResult> {
  const { seed, steps, out, stop, resume } = options;
  const { task } = demo;
  const parts = await demo.data({ seed, ...partSizes(steps, demo.parts) });
  const rows: Record<string, RowScores> = {};
  for (const [name, reference] of Object.entries(demo.references)) {
    const predict = reference(parts.train);
    rows[name] = {
      test: scoreReference(demo, predict, parts.test),
      unseen: scoreReference(demo, predict, parts.unseen),
    };
  }

  const { model, device, threads } = options;
  const trainer = await onnxTrainer({ model, device, ...(threads !== undefined && { threads }) });
  const initial = join(out, "initial");
  await trainer.save(initial);
  const common = { task, dataset: parts.train, trainer, seed, resume, stop, checkpointEvery: 10 };
  const worth = async () => ({
    test: await thoughtWorth(demo, parts.test, trainer.sampler()),
    unseen: await thoughtWorth(demo, parts.unseen, trainer.sampler()),
  });

  // Stage 1: justify annotations.
  const before = await worth();
  const cot = await followRun(
    `seed ${seed}: RISE-CoT`,
    riseCot({
      ...common,
      groupSize,
      examplesPerStep,
      steps: steps.cot,
      ...demo.cot,
      runDir: join(out, "rise-cot"),
    }),
  );
  const after = await worth();
  const learning: Record<string, readonly StepMetrics[]> = { "RISE-CoT": cot.metrics };

  // Stage 2: each arm begins with the base model again.
  const kept = selectHighQuality(cot.dataset);
  const practised = await demo.rehearsal(seed, rehearsal.rows, parts.unseen);
  const score = async (row: string) => {
    const { scores, records } = await scoreModel(demo, parts, trainer.sampler(), stop);
    rows[row] = scores;
    return records;
  };
  const folder = (row: string) => join(out, row.replace(/\W+/g, "-").toLowerCase());
  const imitate = (row: string, sft: Exclude<Arm["sft"], false>) =>
    followRun(
      `seed ${seed}: ${row}`,
      riseR1({
        ...common,
        cots: lessonsOf(sft, parts.train, kept, seed),
        threshold: 0,
        rft: false,
        runDir: folder(row),
        sft: {
          steps: steps.sft,
          batchSize: sftBatchSize,
          learningRate: learningRates.sft(steps.sft, sft === "bare answers" ? learningRates.bareAnswers : undefined),
          lossType: "token",
          ...(sft !== "bare answers" && { rehearsal: { rows: practised, share: rehearsal.share } }),
        },
      }),
    );
  const reinforce = (row: string) =>
    followRun(
      `seed ${seed}: ${row}`,
      riseR1({
        ...common,
        cots: [],
        sft: false,
        runDir: folder(row),
        rft: {
          steps: steps.rft,
          groupSize,
          examplesPerStep,
          learningRate: learningRates.rft,
          sampling: { maxTokens: answerMaxTokens },
        },
      }),
    );
  let shown: readonly EvaluationRecord<A>[] = [];
  for (const { row, sft, rft } of arms) {
    await trainer.load(initial);
    if (sft) await imitate(row, sft);
    await score(row);
    if (rft === undefined) continue;
    learning[rft] = (await reinforce(rft)).metrics;
    const records = await score(rft);
    if (rft === rise) shown = records.slice(0, 5);
  }
  await trainer.dispose();

  const result: SeedResult = {
    seed,
    task: demo.name,
    better: demo.better,
    kept: { cots: kept.length, of: parts.train.length },
    rows,
    thoughts: { before, after },
    learning,
    examples: await workedExamples(task, parts.test.slice(0, 5), shown, out),
  };
  const report = await htmlReport({
    title: `RISE, ${demo.name}, seed ${seed}`,
    task,
    dataset: [...parts.train, ...parts.test.slice(0, 5)],
    tables: [scoreTable([result])],
    records: shown,
    runs: [
      { title: "RISE-CoT: justify annotations", runDir: join(out, "rise-cot") },
      { title: "RISE-R1: learn to think from the best cots", runDir: folder("SFT, RISE's cots") },
      { title: "RISE-R1: think, then answer", runDir: folder(rise) },
      { title: "For comparison, RFT only (Visual-RFT)", runDir: folder("RFT only (Visual-RFT)") },
    ],
  });
  await writeFile(join(out, "report.html"), report);
  return result;
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
