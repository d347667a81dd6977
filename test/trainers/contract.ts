import { describe, it } from "vitest";
import { describeTrainer as describeTrainerIn, type TrainerContract } from "../../src/testing";
import type { Trainer } from "../../src/trainer";

/** The shipped suite, run by Vitest. */
export const describeTrainer = (name: string, create: () => Promise<Trainer>, contract: TrainerContract): void =>
  describeTrainerIn({ describe, it }, name, create, contract);
