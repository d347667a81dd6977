import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Trainer } from "rise-ts";
import { adamw, chain, clipByGlobalNorm, cosineSchedule } from "rise-ts/optim";
import { onnxTrainer } from "rise-ts/trainers/onnx";
import type { Segment } from "rise-ts/types";
import { copyingLesson, lesson } from "./lessons";
import { measureNames } from "./measurements";
import { encodeLesson, tokenLengths, type WeightedLesson, type WeightedSegment } from "./written";

export interface Work {
  /** Folder of the model that training begins with. */
  readonly model: string;
  /** Folder of this worker's weights and optimizer. */
  readonly state: string;
  readonly worker: number;
  readonly workers: number;
  readonly steps: number;
  readonly rate: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly lessons: keyof typeof lessonsOf;
  readonly resume: boolean;
}

const lessonsOf = { all: lesson, copying: copyingLesson };

const meet = 20;

/** Steps that a saved state has behind it. */
export async function stepOf(state: string): Promise<number> {
  return (JSON.parse(await readFile(join(state, "optimizer.json"), "utf8")) as { readonly step: number }).step;
}

/** Learns the lessons of one worker. Every {@link meet} steps it saves, tells the leader, and continues from what lies in its folder then. */
export async function work(options: Work): Promise<void> {
  const { model, state, worker, steps, rate, resume } = options;
  const trainer = await onnxTrainer({
    model,
    device: "cpu",
    threads: 1,
    optimizer: chain(
      clipByGlobalNorm(1),
      adamw({ beta2: 0.98, weightDecay: 0.02, decays: (name) => name.endsWith(".weight") && !/norm|ln_q/.test(name) }),
    ),
  });
  const lengthOf = await tokenLengths(model);
  const encode = (one: WeightedLesson) => encodeLesson(trainer, lengthOf, one);
  if (resume) await trainer.load(state);
  const done = resume ? await stepOf(state) : 0;
  const learningRate = cosineSchedule({ learningRate: rate, warmupSteps: 30, totalSteps: steps });
  const started = Date.now();
  let recent = 0;
  for (let step = done + 1; step <= steps; step++) {
    const loss = await teach(trainer, encode, await batchOf(step, options), learningRate(step));
    recent = recent === 0 ? loss : 0.95 * recent + 0.05 * loss;
    if (step % meet !== 0 && step !== steps) continue;
    await trainer.save(state);
    const answer = once(process, "message");
    process.send!("saved");
    await answer;
    await trainer.load(state);
    if (worker > 0) continue;
    const seconds = (Date.now() - started) / 1000;
    const left = (seconds / (step - done)) * (steps - step);
    const measured = step % 100 === 0 || step === steps ? `  ${await measureNames(trainer.sampler())}` : "";
    console.log(
      `step ${step}/${steps}  loss ${recent.toFixed(3)}  ${seconds.toFixed(0)} s, about ${left.toFixed(0)} s left${measured}`,
    );
  }
  await trainer.dispose();
  process.disconnect();
}

function batchOf(step: number, { seed, batchSize, worker, workers, lessons }: Work): Promise<WeightedLesson[]> {
  const first = (step * workers + worker) * batchSize;
  return Promise.all(Array.from({ length: batchSize }, (_, i) => lessonsOf[lessons](seed, first + i)));
}

/** One update on a batch of lessons, each token with its weight. @returns the weighted loss a token */
async function teach(
  trainer: Trainer,
  encode: (lesson: WeightedLesson) => WeightedSegment,
  lessons: readonly WeightedLesson[],
  learningRate: number,
): Promise<number> {
  // Rows of about the same length share a pass.
  const rows = lessons
    .map(encode)
    .sort((a, b) => imagesOf(a) - imagesOf(b) || a.completion.length - b.completion.length);
  const total = rows.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
  const { loss } = await trainer.forwardBackward(
    rows,
    (logProbs) => ({
      loss:
        -logProbs.reduce((sum, row, i) => sum + row.reduce((a, b, j) => a + b * rows[i]!.weights[j]!, 0), 0) / total,
      gradient: rows.map(({ weights }) => Float64Array.from(weights, (weight) => -weight / total)),
    }),
    // The gradient of a cross-entropy does not depend on the log-probs.
    { assumedLogProbs: rows.map(({ completion }) => completion) },
  );
  await trainer.optimStep({ learningRate });
  return loss;
}

const imagesOf = ({ prompt }: Segment) => prompt[0]!.content.filter(({ type }) => type === "image").length;
