import * as z from "zod";
import { grpoPresets } from "../grpo/presets";
import {
  constantSchedule,
  constantScheduleSpec,
  cosineSchedule,
  decayScheduleSpec,
  linearSchedule,
} from "../optim/schedule";
import { choice, keyOf } from "../options/spec";
import {
  answerReward,
  paperReward,
  similarityOnly,
  strictReward,
  withoutFormatGate,
  withoutLeakGate,
} from "../reward/paper";
import { referenceReward } from "../reward/reference";
import { learningRateOption } from "../runs/learning-rate";

/** Values of the library that a file gives by name. */
export const rewards = {
  paperReward,
  strictReward,
  referenceReward,
  similarityOnly,
  withoutFormatGate,
  withoutLeakGate,
} as const;
export const answerRewards = { answerReward } as const;
export const presets = grpoPresets;
export const schedules = { constant: constantSchedule, linear: linearSchedule, cosine: cosineSchedule } as const;

/**
 * The schema of an option that is a name from a table, or the value itself.
 * @param words the value itself, in words
 */
export const named = (table: Readonly<Record<string, unknown>>, schema: z.ZodType, words: string) =>
  z.union(
    [keyOf(table).transform((name): unknown => table[name]), schema],
    `one of ${Object.keys(table).join(", ")}, or ${words}`,
  );

/** The schema of a learning rate: a number, a schedule's options, or a function of the step. */
export const rateOption = () =>
  z
    .union(
      [
        learningRateOption(),
        z
          .strictObject({ schedule: choice(["constant"]), ...constantScheduleSpec() }, "an object")
          .transform(({ schedule, ...options }) => schedules[schedule](options as never)),
        z
          .strictObject({ schedule: choice(["linear", "cosine"]), ...decayScheduleSpec() }, "an object")
          .transform(({ schedule, ...options }) => schedules[schedule](options as never)),
      ],
      "a number of at least 0, a function of the step, or { schedule: constant, linear or cosine, learningRate, warmupSteps, totalSteps }",
    )
    .default(2e-5)
    .describe("A constant or a schedule");
