import type { z } from "zod";
import { onnxBackendSpec } from "../backends/onnx";
import { openaiBackendSpec } from "../backends/openai";
import { auditCotsSpec } from "../evaluation/audit-cots";
import { compareEvaluationsSpec } from "../evaluation/compare";
import { evaluateSpec } from "../evaluation/evaluate";
import { adamwSpec } from "../optim/adamw";
import { once } from "../options/once";
import { flag, group, groupOrFalse, keyOf, list, requiredGroup, seed, text } from "../options/spec";
import { grpoOption } from "../rise/grpo-step";
import { riseCotSpec } from "../rise/rise-cot-options";
import { rftSpec, riseR1Spec, sftSpec } from "../rise/rise-r1-options";
import { taskOption } from "../runs/examples/check-examples";
import { classificationSpec } from "../tasks/classification";
import { detectionSpec } from "../tasks/detection";
import { segmentationSpec } from "../tasks/segmentation";
import { onnxTrainerSpec } from "../trainers/onnx-options";
import type { Example } from "../types";
import { dataFormats } from "./data-files";
import { type Supplied, supplied } from "./define-config";
import { answerRewards, named, presets, rateOption, rewards } from "./names";

/** A spec without some options. */
const without = <Shape extends z.ZodRawShape, Name extends keyof Shape>(shape: Shape, names: readonly Name[]) =>
  Object.fromEntries(Object.entries(shape).filter(([name]) => !names.includes(name as Name))) as Omit<Shape, Name>;

/** A spec without the options that the commands supply. */
const own = <Shape extends z.ZodRawShape>(shape: Shape) => without(shape, supplied) as Omit<Shape, Supplied>;

const grpo = () =>
  named(presets, grpoOption(), "{ advantages, loss }").default("rise-paper").describe("Advantages and loss of GRPO");

const cot = () => ({
  ...own(riseCotSpec()),
  reward: named(rewards, riseCotSpec().reward, "a function").default("paperReward").describe("The reward of a rollout"),
  grpo: grpo(),
  learningRate: rateOption(),
});

const r1 = () => ({
  ...own(riseR1Spec()),
  sft: groupOrFalse({ ...sftSpec(), learningRate: rateOption() })
    .prefault({})
    .describe(riseR1Spec().sft.description ?? ""),
  rft: groupOrFalse({
    ...rftSpec(),
    reward: named(answerRewards, rftSpec().reward, "a function")
      .default("answerReward")
      .describe("The reward of a completion, Eq. 9"),
    grpo: grpo(),
    learningRate: rateOption(),
  })
    .prefault({})
    .describe(riseR1Spec().rft.description ?? ""),
});

export const taskKinds = {
  classification: classificationSpec,
  detection: detectionSpec,
  segmentation: segmentationSpec,
} as const;

const ownModel = () =>
  text().optional().describe("Its own checkpoint: a directory, a hub id, or a server's name; `model` without it");

export const trainerKinds = {
  onnx: () => ({
    ...without(onnxTrainerSpec(), ["seed", "onDownload"]),
    model: ownModel(),
    optimizer: group(adamwSpec()).describe("Options of AdamW; weight decay 0.1 and clipping to norm 1 without them"),
  }),
} as const;

export const backendKinds = {
  onnx: () => ({ ...without(onnxBackendSpec(), ["onDownload"]), model: ownModel() }),
  openai: () => ({
    ...without(openaiBackendSpec(), ["apiKey"]),
    model: ownModel(),
    apiKeyVariable: text().optional().describe("The environment variable that holds the key; no key without it"),
  }),
} as const;

/** The kinds that a config chooses; without one, the config holds the value itself. */
export interface Kinds {
  readonly task?: keyof typeof taskKinds;
  readonly data?: keyof typeof dataFormats;
  readonly trainer: keyof typeof trainerKinds;
  readonly backend: keyof typeof backendKinds;
}

/** The name of the option that chooses a section's kind, and the kinds. */
export const kindsOf = {
  task: { name: "kind", kinds: taskKinds },
  data: { name: "format", kinds: dataFormats },
  trainer: { name: "kind", kinds: trainerKinds },
  backend: { name: "kind", kinds: backendKinds },
} as const;

const decides = "Decides which options there are";
export const kindOption = (kinds: Readonly<Record<string, unknown>>) => keyOf(kinds).describe(decides);

const examples = (purpose: string) => list<readonly Example<unknown>[]>("an array of examples").describe(purpose);

const heldExamples = () => ({
  train: examples("The examples to learn from"),
  validation: examples("Examples that are measured at every checkpoint, to choose the best one").optional(),
  test: examples("Examples that are held out for the evaluation").optional(),
});

/** The sections that every config has, whatever kinds it chooses. */
const common = once(() => ({
  model: text().optional().describe("The checkpoint of trainer and backend: a directory, or a hub id"),
  cot: group(cot()).describe("Stage 1"),
  r1: group(r1()).describe("Stage 2"),
  evaluate: group(own(evaluateSpec())).describe("Evaluation of held-out examples"),
  compare: group(own(compareEvaluationsSpec())).describe("Comparison of two evaluations"),
  audit: group(own(auditCotsSpec())).describe("Audit of thoughts"),
  runDir: text().default("runs").describe("The folder of everything that is written"),
  resume: flag().default(false).describe("Resumes what was interrupted in `runDir`"),
  seed: seed().default(0).describe("Decides everything that is random"),
}));

export const configSpec = ({ task, data, trainer, backend }: Kinds): z.ZodRawShape => ({
  task: task === undefined ? taskOption() : requiredGroup({ kind: kindOption(taskKinds), ...taskKinds[task]() }),
  data:
    data === undefined
      ? requiredGroup(heldExamples())
      : requiredGroup({ format: kindOption(dataFormats), ...dataFormats[data]!.spec() }),
  trainer: group({ kind: kindOption(trainerKinds).default("onnx").describe(decides), ...trainerKinds[trainer]() }),
  backend: requiredGroup({
    kind: kindOption(backendKinds).default("onnx").describe(decides),
    ...backendKinds[backend](),
  }).optional(),
  ...common(),
});
