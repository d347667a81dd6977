import { ConfigError } from "../errors";
import { notNegative, number, readOptions, specOf } from "../options/spec";

/** Learning rate of the update after `step` finished ones. */
export type Schedule = (step: number) => number;

/** Options of every schedule. */
export interface ScheduleOptions {
  /** The highest rate, reached when the warm-up is over. */
  readonly learningRate: number;
  /** Updates over which the rate rises linearly from 0 (0). */
  readonly warmupSteps?: number;
  /** Total number of updates, ignored: schedules can then be exchanged without changing their options. */
  readonly totalSteps?: number;
}

/** Options of a schedule that decays. */
export interface DecayOptions extends ScheduleOptions {
  /** Total number of updates, warm-up included; the rate keeps its end value afterwards. */
  readonly totalSteps: number;
}

export const constantScheduleSpec = specOf<ScheduleOptions>()(() => ({
  learningRate: notNegative().describe("The highest rate, reached when the warm-up is over"),
  warmupSteps: notNegative().default(0).describe("Updates over which the rate rises linearly from 0"),
  totalSteps: number().optional().describe("Updates in all, which a constant rate does not look at"),
}));

export const decayScheduleSpec = specOf<DecayOptions>()(() => ({
  ...constantScheduleSpec(),
  totalSteps: number().describe("Updates in all, warm-up included; the rate stays at its end value afterwards"),
}));

/**
 * η(t) = η·min(1, t / warmupSteps). As transformers' `get_constant_schedule_with_warmup`.
 * @example
 * const schedule = constantSchedule({ learningRate: 1e-5, warmupSteps: 10 });
 */
export function constantSchedule(options: ScheduleOptions): Schedule {
  return withWarmup(readOptions("constantSchedule", options, constantScheduleSpec), () => 1);
}

/**
 * η(t) = η·(1 − p), p = (t − warmupSteps) / (totalSteps − warmupSteps). As transformers'
 * `get_linear_schedule_with_warmup`.
 * @throws ConfigError for a number out of range, or a warm-up that is not shorter than the total
 * @example
 * const schedule = linearSchedule({ learningRate: 1e-5, totalSteps: 100 });
 */
export function linearSchedule(options: DecayOptions): Schedule {
  return decaying("linearSchedule", options, (progress) => 1 - progress);
}

/**
 * η(t) = η·(1 + cos πp) / 2, p as in `linearSchedule`. As transformers' `get_cosine_schedule_with_warmup`, except that
 * the rate stays at 0 after the last step instead of rising again.
 * @throws ConfigError as `linearSchedule`
 * @example
 * const schedule = cosineSchedule({ learningRate: 1e-5, totalSteps: 100 });
 */
export function cosineSchedule(options: DecayOptions): Schedule {
  return decaying("cosineSchedule", options, (progress) => (1 + Math.cos(Math.PI * progress)) / 2);
}

function decaying(where: string, options: DecayOptions, factor: (progress: number) => number): Schedule {
  const settings = readOptions(where, options, decayScheduleSpec);
  const { totalSteps, warmupSteps } = settings;
  if (totalSteps <= warmupSteps)
    throw new ConfigError(`${where}: expected totalSteps to be above warmupSteps, ${warmupSteps}, got ${totalSteps}`);
  return withWarmup(settings, (step) => factor(Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps))));
}

function withWarmup(
  { learningRate, warmupSteps }: { readonly learningRate: number; readonly warmupSteps: number },
  factor: (step: number) => number,
): Schedule {
  return (step) => learningRate * (step < warmupSteps ? step / warmupSteps : factor(step));
}
