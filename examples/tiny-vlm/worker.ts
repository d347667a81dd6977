import { once } from "node:events";
import { join } from "node:path";
import { cosineSchedule } from "rise-ts/optim";
import { onnxTrainer } from "rise-ts/trainers/onnx";
import { learn, progressOf, tinyOptimizer } from "./learning";
import { copyingLesson, lesson } from "./lessons";
import { measureNames } from "./measurements";
import { lastState } from "./states";
import { encodeLesson, tokenLengths, type WeightedLesson, type WeightedSegment } from "./written";

export interface Work {
  /** Folder of the model that training begins with, and of the states that are kept. */
  readonly work: string;
  readonly worker: number;
  readonly workers: number;
  readonly steps: number;
  readonly rate: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly lessons: keyof typeof lessonsOf;
}

export const lessonsOf = { all: lesson, copying: copyingLesson };

const meet = 20;

/** A worker's part of a state: its weights and its optimizer. */
export const workerFolder = (state: string, worker: number): string => join(state, `worker-${worker}`);

/** Learns the lessons of one worker. Every {@link meet} steps it saves, tells the leader, and continues from what the leader has kept. */
export async function work(options: Work): Promise<void> {
  const { work: model, worker, steps, rate } = options;
  const trainer = await onnxTrainer({ model, device: "cpu", threads: 1, optimizer: tinyOptimizer() });
  const lengthOf = await tokenLengths(model);
  const state = await lastState(model);
  if (state) await trainer.load(workerFolder(state.folder, worker));
  const begun = state?.step ?? 0;
  const warmupSteps = Math.min(30, steps - 1);
  const learningRate = cosineSchedule({ learningRate: rate, warmupSteps, totalSteps: steps });
  const progress = progressOf(begun, steps);
  for (let step = begun + 1; step <= steps; step++) {
    const lessons = await batchOf(step, options);
    // Rows of about the same length share a pass.
    const rows = lessons
      .map((one) => encodeLesson(trainer, lengthOf, one))
      .sort((a, b) => imagesOf(a) - imagesOf(b) || a.completion.length - b.completion.length);
    progress.add(await learn(trainer, rows, learningRate(step)));
    if (step % meet !== 0 && step !== steps) continue;
    await trainer.save(workerFolder(join(model, "aside"), worker));
    const kept = once(process, "message");
    process.send!(step);
    await kept;
    await trainer.load(workerFolder(join(model, `step-${step}`), worker));
    if (worker > 0) continue;
    const measured = step % 100 === 0 || step === steps ? `  ${await measureNames(trainer.sampler())}` : "";
    console.log(`${progress.line(step)}${measured}`);
  }
  await trainer.dispose();
  process.disconnect();
}

function batchOf(step: number, { seed, batchSize, worker, workers, lessons }: Work): Promise<WeightedLesson[]> {
  const first = (step * workers + worker) * batchSize;
  return Promise.all(Array.from({ length: batchSize }, (_, i) => lessonsOf[lessons](seed, first + i)));
}

const imagesOf = ({ prompt }: WeightedSegment) => prompt[0]!.content.filter(({ type }) => type === "image").length;
