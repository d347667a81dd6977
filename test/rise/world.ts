import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type AnnotateDatasetOptions, annotateDataset } from "../../src/annotation";
import type { VlmBackend } from "../../src/backend";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import { type EvaluateOptions, evaluate } from "../../src/evaluation/evaluate";
import { classificationMetrics } from "../../src/metrics/task-metrics";
import { type RiseCotOptions, riseCot } from "../../src/rise/rise-cot";
import { type RiseR1Options, riseR1 } from "../../src/rise/rise-r1";
import type { RatedCot } from "../../src/rollouts";
import { classification } from "../../src/tasks/classification";
import { scriptedBackend, scriptedTrainer } from "../../src/testing";
import { promptKey } from "../../src/testing/scripted-backend";
import type { Trainer } from "../../src/trainer";
import type { Example, LabelDistribution } from "../../src/types";

/** A task so small that a table of logits can learn it, and everything that can be written about it, good and bad. */
export const moods = classification({ labels: ["joy", "sadness"], name: "moods" });

export const smiling = "People are smiling in bright sunlight.";
export const raining = "An empty street lies under heavy rain.";
export const leaking = "The picture shows joy with probability 0.9 for sure.";
const joyful: LabelDistribution = { joy: 1, sadness: 0 };
const sad: LabelDistribution = { joy: 0, sadness: 1 };
const answers = [joyful, sad].map((annotation) => moods.format(annotation));

export const dataset: readonly Example<LabelDistribution>[] = [
  { id: "party", image: "party.png", annotation: joyful },
  { id: "picnic", image: "picnic.png", annotation: joyful },
  { id: "funeral", image: "funeral.png", annotation: sad },
];

export const cotTrainer = (): Trainer =>
  scriptedTrainer({ texts: [smiling, raining, leaking, "- smiling", ...answers, "no idea"] });

export const answerTrainer = (): Trainer =>
  scriptedTrainer({
    texts: [
      ...[smiling, raining].flatMap((cot) => answers.map((answer) => formatThinkAnswer(cot, answer))),
      ...answers,
    ],
  });

type CotOptions = RiseCotOptions<LabelDistribution>;
type AnswerOptions = RiseR1Options<LabelDistribution>;

/** Stage 1 in 6 steps that learn and 2 that only look. */
export const cotRun = (options: Partial<CotOptions> & Pick<CotOptions, "trainer">) =>
  riseCot({
    ...{ task: moods, dataset, groupSize: 4, examplesPerStep: 2, checkpointEvery: 2 },
    ...(options.backend === undefined && { steps: 6, learningRate: 2 }),
    ...options,
  });

export const cots: readonly RatedCot<LabelDistribution>[] = dataset.map(({ id, annotation }, i) => ({
  exampleId: id,
  cot: annotation.joy === 1 ? smiling : raining,
  annotation,
  reward: [1, 0.75, 0.7][i]!,
}));

/** Stage 2 in 5 steps of imitation and 5 of reinforcement. */
export const answerRun = (options: Partial<AnswerOptions> & Pick<AnswerOptions, "trainer">) =>
  riseR1({
    ...{ task: moods, dataset, cots, checkpointEvery: 2, ...(options.sft !== false && { threshold: 0.5 }) },
    sft: { steps: 5, batchSize: 2, learningRate: 3 },
    rft: { steps: 5, groupSize: 4, examplesPerStep: 2, learningRate: 3 },
    ...options,
  });

/** The texts about the three examples: right, unreadable and wrong; and about as many more as are asked for. */
export const evaluationBackend = (): VlmBackend =>
  scriptedBackend((prompt) => {
    const key = promptKey(prompt);
    return key.includes("picnic.png")
      ? "I see people."
      : formatThinkAnswer(smiling, answers[Number(key.includes("street"))]!);
  });

/** Three examples and six streets, two in a call. */
export const evaluationRun = (options: Partial<EvaluateOptions<LabelDistribution, never>>) =>
  evaluate({
    ...{
      task: moods,
      dataset: manyExamples,
      backend: evaluationBackend(),
      metrics: classificationMetrics,
      batchSize: 2,
    },
    ...options,
  });

/** The same images, without their annotations. */
export const annotationRun = (options: Partial<AnnotateDatasetOptions<LabelDistribution>>) =>
  annotateDataset({
    ...{ task: moods, images: manyExamples, backend: evaluationBackend(), batchSize: 2 },
    ...options,
  });

export const manyExamples: readonly Example<LabelDistribution>[] = [
  ...dataset,
  ...Array.from({ length: 6 }, (_, i) => ({ id: `street-${i}`, image: `street-${i}.png`, annotation: sad })),
];

export async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

/** All that must not depend on where a run was interrupted: every file but the one that a clock wrote, and locks. */
export async function contents(folder: string): Promise<Record<string, string>> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(folder.length + 1));
  const kept = names.filter((name) => !/^(timings\.jsonl|run\.lock\..*)$/.test(name)).sort();
  return Object.fromEntries(
    await Promise.all(kept.map(async (name) => [name, await readFile(join(folder, name), "utf8")])),
  );
}

export const readRows = async (file: string): Promise<Record<string, unknown>[]> =>
  (await readFile(file, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

export async function withFolders(count: number, use: (...folders: string[]) => Promise<void>): Promise<void> {
  const folders = await Promise.all(Array.from({ length: count }, () => mkdtemp(join(tmpdir(), "rise-run-"))));
  await use(...folders).finally(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A backend whose calls take so many milliseconds, counted from 0. */
export function slow(backend: VlmBackend, timeMs: (call: number) => number): VlmBackend {
  let calls = 0;
  return {
    ...backend,
    async generate(prompts, options) {
      await setTimeout(timeMs(calls++));
      return backend.generate(prompts, options);
    },
  };
}

/** A backend that rejects every call in which a prompt has this text or picture, as one does that cannot read it. */
export const failingFor = (backend: VlmBackend, pattern: string, error: () => Error): VlmBackend => ({
  ...backend,
  async generate(prompts, options) {
    if (prompts.some((prompt) => promptKey(prompt).includes(pattern))) throw error();
    return backend.generate(prompts, options);
  },
});

/** A trainer whose sampler is such a backend. */
export const trainerFailingFor = (trainer: Trainer, pattern: string, error: () => Error): Trainer => ({
  ...trainer,
  sampler: () => failingFor(trainer.sampler(), pattern, error),
});

/** A backend that tells how many prompts each call has. */
export const counting = (backend: VlmBackend, tell: (prompts: number) => void): VlmBackend => ({
  ...backend,
  async generate(prompts, options) {
    tell(prompts.length);
    return backend.generate(prompts, options);
  },
});
