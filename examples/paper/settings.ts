import { constantSchedule, cosineSchedule } from "rise-ts/optim";
import * as demo from "../demo/settings";
import type { Temptation } from "./temptation";

export interface RolloutSettings {
  readonly steps: number;
  readonly groupSize: number;
  readonly examplesPerStep: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** Divides the logits; 1 without it. */
  readonly temperature?: number;
}

export interface SftSettings {
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** Rows of what the model could do before, and their share of a batch, where the data has such rows. */
  readonly rehearsal?: { readonly rows: number; readonly share: number };
}

/** Plain numbers: what a stage's folder is named after. */
export interface Settings {
  /** Pictures that the demo's sets draw; a directory's have their own. */
  readonly pictures: { readonly train: number; readonly test: number };
  readonly maxTokens: { readonly cot: number; readonly reconstruction: number; readonly answer: number };
  readonly cot: RolloutSettings;
  readonly sft: SftSettings;
  /** Bare answers learn best at a rate at which thoughts are unlearnt. */
  readonly bareAnswers: SftSettings;
  readonly rft: RolloutSettings;
  /** A large model leaks as it is. */
  readonly temptation?: Temptation;
  /** Steps of 4- and 16-shot training, times those of the full data. */
  readonly fewShotSteps: number;
  /** Steps after which a killed stage can be resumed; Ctrl-C loses none in any case. */
  readonly checkpointEvery: number;
}

/** For the tiny model: the demo's, with fewer scenes to train on, since the tables take hundreds of stages. */
function ofDemo(
  steps: demo.Steps,
  { test }: Settings["pictures"],
  cot: typeof demo.moodRates,
  temptedSteps: number,
): Settings {
  const { groupSize, examplesPerStep, rates, sampling, rehearsal } = demo;
  const rollouts = { groupSize, examplesPerStep, warmupSteps: 5 };
  const sft = { steps: demo.moodSteps.sft, batchSize: demo.sftBatchSize, warmupSteps: 10 };
  return {
    pictures: { train: demo.moodParts.train, test },
    maxTokens: {
      ...{ cot: sampling.cotMaxTokens, reconstruction: sampling.reconstructionMaxTokens },
      answer: demo.answerMaxTokens,
    },
    cot: { ...rollouts, steps: steps.cot, ...cot },
    sft: { ...sft, learningRate: rates.sft, rehearsal },
    bareAnswers: { ...sft, learningRate: rates.bareAnswers },
    rft: { ...rollouts, steps: steps.rft, learningRate: rates.rft },
    temptation: {
      examples: demo.moodParts.train,
      steps: temptedSteps,
      batchSize: demo.sftBatchSize,
      learningRate: rates.sft,
    },
    fewShotSteps: 0.4,
    checkpointEvery: 1000,
  };
}

export type TaskName = "classification" | "detection";

export const tinySettings: Readonly<Record<TaskName, Settings>> = {
  classification: ofDemo(demo.moodSteps, demo.moodParts, demo.moodRates, 48),
  // Copying four numbers of a box takes longer to learn.
  detection: ofDemo(demo.placeSteps, demo.placeParts, demo.placeRates, 96),
};

/** The paper's, for any other model; what it leaves open is the published scripts'. */
export const paperSettings: Settings = {
  pictures: { train: 448, test: 120 },
  maxTokens: { cot: 256, reconstruction: 256, answer: 512 },
  cot: { steps: 200, groupSize: 8, examplesPerStep: 2, learningRate: 2e-5, warmupSteps: 0 },
  sft: { steps: 200, batchSize: 2, learningRate: 2e-5, warmupSteps: 0 },
  bareAnswers: { steps: 200, batchSize: 2, learningRate: 2e-5, warmupSteps: 0 },
  rft: { steps: 200, groupSize: 8, examplesPerStep: 2, learningRate: 2e-5, warmupSteps: 0 },
  fewShotSteps: 1,
  checkpointEvery: 20,
};

/** Every stage's steps times `factor`, at least 1. */
export function scaleSteps(settings: Settings, factor: number): Settings {
  const stepsOf = (stage: { readonly steps: number }) => Math.max(1, Math.round(stage.steps * factor));
  const scaled = <Stage extends { readonly steps: number; readonly warmupSteps: number }>(stage: Stage): Stage => {
    const steps = stepsOf(stage);
    return { ...stage, steps, warmupSteps: Math.min(stage.warmupSteps, steps - 1) };
  };
  const { cot, sft, bareAnswers, rft, temptation } = settings;
  return {
    ...{ ...settings, cot: scaled(cot), sft: scaled(sft), bareAnswers: scaled(bareAnswers), rft: scaled(rft) },
    ...(temptation && { temptation: { ...temptation, steps: stepsOf(temptation) } }),
  };
}

export const steadyRate = ({ learningRate, warmupSteps }: RolloutSettings) =>
  constantSchedule({ learningRate, warmupSteps });

export const fallingRate = ({ learningRate, warmupSteps, steps: totalSteps }: SftSettings) =>
  cosineSchedule({ learningRate, warmupSteps, totalSteps });
