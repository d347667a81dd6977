import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cocoDataset } from "../../src/datasets/coco";
import { evaluate } from "../../src/evaluation/evaluate";
import { grpoPresets } from "../../src/grpo/presets";
import { loadImage } from "../../src/models/inputs/image";
import { htmlReport } from "../../src/report";
import { type RiseCotOptions, riseCot } from "../../src/rise/rise-cot";
import { riseR1 } from "../../src/rise/rise-r1";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import { scriptedBackend, scriptedTrainer } from "../../src/testing";
import type { ImageSource, LabelDistribution } from "../../src/types";
import { jpeg, writeFiles } from "../datasets/temporary";
import { answerTrainer, cotRun, cots, cotTrainer, dataset, evaluationBackend, moods } from "../rise/world";
import type { Careless } from "./case";

type Options = Partial<RiseCotOptions<LabelDistribution>>;

/** A run of stage 1 of two steps, with these options too. */
const run = (options: object = {}) =>
  cotRun({ trainer: cotTrainer(), ...(!("backend" in options) && { steps: 2 }), ...(options as Options) });

const settings: readonly Careless[] = [
  { input: "no options", call: () => riseCot(undefined as never) },
  { input: "an unknown option", call: () => run({ epochs: 3 }) },
  { input: "TRL's `num_generations`", call: () => run({ num_generations: 8 }) },
  { input: "TRL's `learning_rate`", call: () => run({ learning_rate: 1e-5 }) },
  { input: "a misspelt option", call: () => run({ groupsize: 8 }) },
  { input: "a misspelt option inside another", call: () => run({ sampling: { maxTokens: 8 } }) },
  { input: '`steps: "10"`', call: () => run({ steps: "10" }) },
  { input: "`groupSize: 1`", call: () => run({ groupSize: 1 }) },
  { input: "`temperature: 0`", call: () => run({ sampling: { temperature: 0 } }) },
  { input: '`grpo: "trl"`', call: () => run({ grpo: "trl" }) },
  { input: "an unknown loss", call: () => run({ grpo: { ...grpoPresets.trl, lossType: "dpo" } }) },
  { input: "a trainer that is a promise", call: () => run({ trainer: Promise.resolve() }) },
  { input: "a trainer that is its options", call: () => run({ trainer: { model: "m" } }) },
  { input: "the function `classification` as the task", call: () => run({ task: classification }) },
  { input: "neither trainer nor backend", call: () => run({ trainer: undefined }) },
  { input: "no examples", call: () => run({ dataset: [] }) },
  {
    input: "one example",
    works: true,
    call: () => run({ dataset: dataset.slice(0, 1), examplesPerStep: 1 }).then(() => {}),
  },
  { input: "a dataset that was not awaited", call: () => run({ dataset: cocoDataset("a.json", ".") }) },
  { input: "held-out examples among the dataset", call: () => run({ heldOut: [dataset[0]] }) },
  {
    input: "an annotation that sums to 2",
    call: () => run({ dataset: [{ ...dataset[0], annotation: { joy: 1, sadness: 1 } }] }),
  },
  { input: "an annotation as text", call: () => run({ dataset: [{ ...dataset[0], annotation: "joy" }] }) },
  { input: "metrics by their names", call: () => evaluated({ metrics: ["jsd"] as never }) },
  { input: "a reward that gives a number", call: () => run({ reward: () => 1 }) },
  { input: "a reward that throws", call: () => run({ reward: fails }) },
  { input: "no labels", call: () => classification({} as never) },
  { input: "two labels alike", call: () => classification({ labels: ["joy", "joy"] }) },
  {
    input: "a prompt with an unknown place",
    call: () => classification({ labels: ["a", "b"], prompts: { cot: "{{lables}}" } as never }),
  },
];

function fails(): never {
  throw new Error("oops");
}

const evaluated = (options: object) =>
  evaluate({ task: moods, dataset, backend: evaluationBackend(), resamples: 20, log: false, ...options } as never);

const box = {
  id: "a",
  image: "a.jpg",
  annotation: [{ space: "thousand", x: 900, y: 0, width: 300, height: 10 }],
  subject: "mug",
};
const boxes = (change: object, task: object = detection()) =>
  riseCot({ task, dataset: [{ ...box, ...change }], backend: scriptedBackend(["x"]), log: false } as never);

const detections: readonly Careless[] = [
  { input: "pixels called thousandths", call: () => boxes({}) },
  {
    input: "pixels for a task of thousandths",
    call: () => boxes({ annotation: [{ ...box.annotation[0], space: "pixel" }] }),
  },
  { input: "a box as a list", call: () => boxes({ annotation: [[1, 2, 3, 4]] }) },
  {
    input: "a box without its width",
    call: () => boxes({ annotation: [{ space: "thousand", x: 1, y: 1, height: 2 }] }),
  },
  { input: "no subject", call: () => boxes({ subject: undefined, annotation: [] }) },
];

/** Prints what an awaited run prints on its user's terminal. */
async function warnings(options: object): Promise<string> {
  const lines: string[] = [];
  await run({ log: (line: string) => lines.push(line), ...options });
  return lines.find((line) => line.includes("warning"))?.trim() ?? "";
}

const endings: readonly Careless[] = [
  {
    input: "a model that writes nothing readable",
    call: () => warnings({ trainer: scriptedTrainer({ texts: ["no idea"] }) }),
  },
  { input: "an image that cannot be decoded", call: (folder) => broken(folder) },
  { input: "a folder that a run has used", call: (runDir) => twice(runDir, {}) },
  {
    input: "more steps on resuming",
    works: true,
    call: (runDir) => twice(runDir, { resume: true, steps: 3 }).then(() => {}),
  },
  { input: "another group size on resuming", call: (runDir) => twice(runDir, { resume: true, groupSize: 2 }) },
  {
    input: "an example less on resuming",
    call: (runDir) => twice(runDir, { resume: true, dataset: dataset.slice(1) }),
  },
  { input: "stage 2 in the folder of stage 1", call: (runDir) => stageTwo(runDir) },
  {
    input: "a folder that holds other files",
    call: (runDir) => writeFiles(runDir, { "a.txt": "x" }).then(() => run({ runDir })),
  },
  {
    input: "a folder that is a file",
    call: (dir) => writeFiles(dir, { f: "x" }).then(() => run({ runDir: join(dir, "f") })),
  },
  { input: "no cot that reaches the threshold", call: () => stageTwo(undefined, { threshold: 2 }) },
  { input: "cots of other images", call: () => stageTwo(undefined, { cots: [{ ...cots[0], exampleId: "wedding" }] }) },
  { input: "the whole result of stage 1 as its cots", call: () => stageTwo(undefined, { cots: { dataset: cots } }) },
  { input: "a report of no run", call: (runDir) => htmlReport({ runDir }) },
  { input: "a report of a folder that is missing", call: (dir) => htmlReport({ runDir: join(dir, "cto") }) },
];

async function twice(runDir: string, options: object): Promise<void> {
  await run({ runDir });
  await run({ runDir, ...options });
}

async function stageTwo(runDir: string | undefined, options: object = {}): Promise<void> {
  if (runDir) await run({ runDir });
  const place = runDir === undefined ? {} : { runDir, resume: true };
  await riseR1({ task: moods, dataset, cots, trainer: answerTrainer(), ...place, ...options } as never);
}

async function broken(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFiles(folder, { "a.jpg": (await jpeg(90, 70)).subarray(0, 300) });
  const backend = {
    ...scriptedBackend(["x"]),
    checkImage: async (image: ImageSource) => void (await loadImage(image)),
  };
  await run({ trainer: undefined, backend, dataset: [{ ...dataset[0], image: join(folder, "a.jpg") }] });
}

export const runs = { "options of a run": settings, boxes: detections, "a run and its folder": endings };
