import { constantSchedule, cosineSchedule } from "rise-ts/optim";

export interface RolloutSettings {
  readonly steps: number;
  readonly groupSize: number;
  readonly examplesPerStep: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
}

/** Plain numbers: what a stage's folder is named after. */
export interface Settings {
  /** Pictures that the demo's sets draw; a directory's have their own. */
  readonly pictures: { readonly train: number; readonly test: number };
  readonly maxTokens: { readonly cot: number; readonly reconstruction: number; readonly answer: number };
  readonly cot: RolloutSettings;
  readonly sft: {
    readonly steps: number;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly warmupSteps: number;
  };
  readonly rft: RolloutSettings;
  /** Steps of 4- and 16-shot training, times those of the full data. */
  readonly fewShotSteps: number;
  /** Steps after which a killed stage can be gone on with; Ctrl-C loses none in any case. */
  readonly checkpointEvery: number;
}

/**
 * For the tiny model: the demo's learning rates, and as few steps as still teach something, since the tables take hundreds of stages.
 * On a dozen examples SFT's loss is below 0.001 after 40 steps.
 */
export const tinySettings: Settings = {
  pictures: { train: 128, test: 60 },
  maxTokens: { cot: 64, reconstruction: 48, answer: 110 },
  cot: { steps: 8, groupSize: 6, examplesPerStep: 4, learningRate: 5e-5, warmupSteps: 2 },
  sft: { steps: 96, batchSize: 8, learningRate: 7e-4, warmupSteps: 10 },
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
  return { ...settings, cot: scaled(settings.cot), sft: scaled(settings.sft), rft: scaled(settings.rft) };
}

export const steadyRate = ({ learningRate, warmupSteps }: RolloutSettings) =>
  constantSchedule({ learningRate, warmupSteps });

export const fallingRate = ({ learningRate, warmupSteps, steps: totalSteps }: Settings["sft"]) =>
  cosineSchedule({ learningRate, warmupSteps, totalSteps });
