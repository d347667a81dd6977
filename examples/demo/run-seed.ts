import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Example,
  type RatedCot,
  riseCot,
  riseR1,
  type StepMetrics,
  selectHighQuality,
  type Task,
  type Trainer,
} from "rise-ts";
import { htmlReport } from "rise-ts/report";
import { type OnnxTrainerOptions, onnxTrainer } from "rise-ts/trainers/onnx";
import type { EvaluationRecord, RehearsalRow } from "rise-ts/types";
import type { Parts } from "../pictures/moods";
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
  const { seed, steps, out, stop, model, device, threads } = options;
  const parts = await demo.data({ seed, ...partSizes(steps, demo.parts) });
  const rows = referenceRows(demo, parts);
  const trainer = await onnxTrainer({ model, device, ...(threads !== undefined && { threads }) });
  const initial = join(out, "initial");
  await trainer.save(initial);
  const stages = stagesOf(demo, parts.train, trainer, options);
  const worth = async () => ({
    test: await thoughtWorth(demo, parts.test, trainer.sampler()),
    unseen: await thoughtWorth(demo, parts.unseen, trainer.sampler()),
  });

  // Stage 1: justify annotations.
  const before = await worth();
  const cot = await stages.justify();
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
  let shown: readonly EvaluationRecord<A>[] = [];
  for (const { row, sft, rft } of arms) {
    await trainer.load(initial);
    if (sft) await stages.imitate(row, sft, lessonsOf(sft, parts.train, kept, seed), practised);
    await score(row);
    if (rft === undefined) continue;
    learning[rft] = (await stages.reinforce(rft)).metrics;
    const records = await score(rft);
    if (rft === rise) shown = records.slice(0, 5);
  }
  await trainer.dispose();

  const examples = await workedExamples(demo.task, parts.test.slice(0, 5), shown, out);
  const result: SeedResult = {
    ...{ seed, task: demo.name, better: demo.better, rows, thoughts: { before, after }, learning, examples },
    kept: { cots: kept.length, of: parts.train.length },
  };
  await writeReport(demo, parts, shown, result, out);
  return result;
}

function referenceRows<A>(demo: DemoTask<A>, { train, test, unseen }: Parts<A>): Record<string, RowScores> {
  const rows = Object.entries(demo.references).map(([name, reference]) => {
    const predict = reference(train);
    const scores = { test: scoreReference(demo, predict, test), unseen: scoreReference(demo, predict, unseen) };
    return [name, scores] as const;
  });
  return Object.fromEntries(rows);
}

const folderOf = (out: string, row: string) => join(out, row.replace(/\W+/g, "-").toLowerCase());

/** The runs of a seed, each in a folder of its own. */
function stagesOf<A>(demo: DemoTask<A>, train: readonly Example<A>[], trainer: Trainer, options: SeedOptions) {
  const { seed, steps, out, stop, resume } = options;
  const common = (row: string) => ({
    ...{ task: demo.task, dataset: train, trainer, seed, resume, stop, checkpointEvery: 10 },
    runDir: folderOf(out, row),
  });
  const title = (row: string) => `seed ${seed}: ${row}`;
  const rollouts = { groupSize, examplesPerStep };
  return {
    justify: () =>
      followRun(title("RISE-CoT"), riseCot({ ...common("RISE-CoT"), ...rollouts, steps: steps.cot, ...demo.cot })),

    imitate(
      row: string,
      sft: Exclude<Arm["sft"], false>,
      cots: readonly RatedCot<A>[],
      practised: readonly RehearsalRow[],
    ) {
      const isBare = sft === "bare answers";
      const learning = {
        ...{ steps: steps.sft, batchSize: sftBatchSize, lossType: "token" as const },
        learningRate: learningRates.sft(steps.sft, isBare ? learningRates.bareAnswers : undefined),
        interpolation: isBare ? demo.interpolation.bareAnswers : demo.interpolation.cots,
        ...(!isBare && { rehearsal: { rows: practised, share: rehearsal.share } }),
      };
      return followRun(title(row), riseR1({ ...common(row), cots, threshold: 0, rft: false, sft: learning }));
    },

    reinforce(row: string) {
      const sampling = { maxTokens: answerMaxTokens };
      const rft = { ...rollouts, steps: steps.rft, learningRate: learningRates.rft, sampling };
      return followRun(title(row), riseR1({ ...common(row), cots: [], sft: false, rft }));
    },
  };
}

async function writeReport<A>(
  { name, task }: DemoTask<A>,
  { train, test }: Parts<A>,
  records: readonly EvaluationRecord<A>[],
  result: SeedResult,
  out: string,
): Promise<void> {
  const run = (title: string, row: string) => ({ title, runDir: folderOf(out, row) });
  const report = await htmlReport({
    title: `RISE, ${name}, seed ${result.seed}`,
    ...{ task, records, tables: [scoreTable([result])], dataset: [...train, ...test.slice(0, 5)] },
    runs: [
      run("RISE-CoT: justify annotations", "RISE-CoT"),
      run("RISE-R1: learn to think from the best cots", "SFT, RISE's cots"),
      run("RISE-R1: think, then answer", rise),
      run("For comparison, RFT only (Visual-RFT)", "RFT only (Visual-RFT)"),
    ],
  });
  await writeFile(join(out, "report.html"), report);
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
