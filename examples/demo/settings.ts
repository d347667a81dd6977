import { constantSchedule, cosineSchedule } from "rise-ts/optim";

/** Updates of each stage. */
export interface Steps {
  readonly cot: number;
  readonly sft: number;
  readonly rft: number;
}

export const defaultSteps: Steps = { cot: 40, sft: 160, rft: 40 };

/** Pictures in each part of the data. */
export const partSizes = { train: 320, test: 120, unseen: 60 } as const;

export const groupSize = 8;
export const examplesPerStep = 8;

/** The model is a thousandth of the paper's, and its learning rates are larger: 2e-5 would not move it in so few steps. */
export const learningRates = {
  cot: constantSchedule({ learningRate: 3e-4, warmupSteps: 3 }),
  sft: (steps: number) => cosineSchedule({ learningRate: 1e-3, warmupSteps: 10, totalSteps: steps + 1 }),
  rft: constantSchedule({ learningRate: 2e-4, warmupSteps: 3 }),
} as const;

export const sampling = { cotMaxTokens: 64, reconstructionMaxTokens: 48, answerMaxTokens: 110 } as const;
