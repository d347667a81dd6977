import { constantSchedule, cosineSchedule } from "rise-ts/optim";

/** Updates of each stage. */
export interface Steps {
  readonly cot: number;
  readonly sft: number;
  readonly rft: number;
}

export const defaultSteps: Steps = { cot: 28, sft: 176, rft: 32 };

export const groupSize = 8;
export const examplesPerStep = 8;

/** Small batches: a table of moods is learnt by the number of updates. */
export const sftBatchSize = 16;

/** Pictures in each part of the data; a run of a few steps gets no more to train on than it can look at. */
export const partSizes = ({ cot, rft }: Steps) =>
  ({ train: Math.min(448, examplesPerStep * 3 * Math.max(cot, rft)), test: 120, unseen: 60 }) as const;

/** The model is a thousandth of the paper's, and its learning rates are larger: 2e-5 would not move it in so few steps. */
export const learningRates = {
  cot: constantSchedule({ learningRate: 5e-5, warmupSteps: 5 }),
  sft: (steps: number) =>
    cosineSchedule({ learningRate: 7e-4, warmupSteps: Math.min(10, steps - 1), totalSteps: steps }),
  rft: constantSchedule({ learningRate: 6e-5, warmupSteps: 5 }),
} as const;

export const sampling = { cotMaxTokens: 64, reconstructionMaxTokens: 48 } as const;
export const answerMaxTokens = 110;
