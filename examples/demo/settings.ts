import { constantSchedule, cosineSchedule } from "rise-ts/optim";
import type { PartSizes } from "../pictures/moods";

/** Updates of each stage. */
export interface Steps {
  readonly cot: number;
  readonly sft: number;
  readonly rft: number;
}

/** SFT leaves some answers about unseen things unreadable; 12 steps of RFT do not mend all of them, 24 do. */
export const moodSteps: Steps = { cot: 24, sft: 120, rft: 24 };
/** Boxes go on getting better for longer than thoughts do. */
export const placeSteps: Steps = { cot: 24, sft: 360, rft: 40 };

export const groupSize = 8;
export const examplesPerStep = 6;
export const sftBatchSize = 16;

/** A third of each batch of SFT is what the base model could do before: otherwise it forgets to name what SFT does not show. */
export const rehearsal = { rows: 480, share: 1 / 3 } as const;

/**
 * The share of SFT's change that is kept: the base names what training never shows, which SFT unlearns in part. Half is what WiSE-FT proposes; of 0.5, 0.75
 * and 1, bare answers learn best with 0.75.
 */
export const moodInterpolation = { cots: 0.5, bareAnswers: 0.75 } as const;
/** Thoughts about scenes name as much after SFT as before. */
export const placeInterpolation = { cots: 1, bareAnswers: 1 } as const;

/** Pictures in each part of the data. A box is right or wrong, so that scenes need more pictures to judge by. */
export const moodParts = { train: 132, test: 66, unseen: 45 } as const;
export const placeParts = { train: 396, test: 132, unseen: 90 } as const;

/** A run of a few steps gets no more to train on than it can look at. */
export const partSizes = ({ cot, rft }: Steps, parts: Omit<PartSizes, "seed">) => ({
  ...parts,
  train: Math.min(parts.train, examplesPerStep * 3 * Math.max(cot, rft)),
});

/**
 * The model is a thousandth of the paper's, and its learning rates are larger: 2e-5 would not move it in so few steps.
 */
export const rates = { sft: 1.5e-4, bareAnswers: 7e-4, rft: 6e-5 } as const;

export const learningRates = {
  sft: (steps: number, learningRate: number = rates.sft) =>
    cosineSchedule({ learningRate, warmupSteps: Math.min(10, steps - 1), totalSteps: steps }),
  /** Bare answers learn best at a rate at which thoughts are unlearnt (docs/results.md has the others). */
  bareAnswers: rates.bareAnswers,
  rft: constantSchedule({ learningRate: rates.rft, warmupSteps: 5 }),
} as const;

export const sampling = { cotMaxTokens: 64, reconstructionMaxTokens: 40 } as const;

/** How stage 1 learns and samples. With 5e-5 the likeliest reconstruction of a mood does not move. */
export const moodRates: { readonly learningRate: number; readonly temperature?: number } = { learningRate: 1.5e-4 };
/**
 * Most of a thought about a scene is of no account to the reward, which looks at the place of one thing: at the rate and the temperature of moods half of the
 * thoughts are soon wrong about the others.
 */
export const placeRates: typeof moodRates = { learningRate: 5e-5, temperature: 0.7 };

export const cotOptions = ({ learningRate, temperature }: typeof moodRates) => ({
  learningRate: constantSchedule({ learningRate, warmupSteps: 5 }),
  sampling: { ...sampling, ...(temperature !== undefined && { temperature }) },
});

export const answerMaxTokens = 110;
