import { constantSchedule, cosineSchedule } from "rise-ts/optim";

export interface RolloutSettings {
  readonly steps: number;
  readonly groupSize: number;
  readonly examplesPerStep: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
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
  /** Steps of 4- and 16-shot training, times those of the full data. */
  readonly fewShotSteps: number;
  /** Steps after which a killed stage can be resumed; Ctrl-C loses none in any case. */
  readonly checkpointEvery: number;
}

/**
 * For the tiny model: about the demo's learning rates, and as few steps as still teach something, since the tables take hundreds of stages.
 * On a dozen examples SFT's loss is below 0.001 after 40 steps.
 */
export const tinySettings: Settings = {
  pictures: { train: 128, test: 60 },
  maxTokens: { cot: 64, reconstruction: 48, answer: 110 },
  cot: { steps: 8, groupSize: 6, examplesPerStep: 4, learningRate: 1.5e-4, warmupSteps: 2 },
  sft: { steps: 96, batchSize: 12, learningRate: 2e-4, warmupSteps: 10, rehearsal: { rows: 320, share: 1 / 3 } },
  bareAnswers: { steps: 96, batchSize: 12, learningRate: 7e-4, warmupSteps: 10 },
  rft: { steps: 8, groupSize: 6, examplesPerStep: 4, learningRate: 6e-5, warmupSteps: 2 },
  fewShotSteps: 0.4,
  checkpointEvery: 1000,
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
  const scaled = <Stage extends { readonly steps: number; readonly warmupSteps: number }>(stage: Stage): Stage => {
    const steps = Math.max(1, Math.round(stage.steps * factor));
    return { ...stage, steps, warmupSteps: Math.min(stage.warmupSteps, steps - 1) };
  };
  const { cot, sft, bareAnswers, rft } = settings;
  return { ...settings, cot: scaled(cot), sft: scaled(sft), bareAnswers: scaled(bareAnswers), rft: scaled(rft) };
}

export const steadyRate = ({ learningRate, warmupSteps }: RolloutSettings) =>
  constantSchedule({ learningRate, warmupSteps });

export const fallingRate = ({ learningRate, warmupSteps, steps: totalSteps }: SftSettings) =>
  cosineSchedule({ learningRate, warmupSteps, totalSteps });
