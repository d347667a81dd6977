import { checkNumber } from "../options/options";

/** Learning rate of the update that follows `step` finished ones. */
export type Schedule = (step: number) => number;

export interface ScheduleOptions {
  /** The highest rate, reached when the warm-up is over. */
  readonly learningRate: number;
  /** Updates over which the rate rises linearly from 0 (0). */
  readonly warmupSteps?: number;
}

export interface DecayOptions extends ScheduleOptions {
  /** Updates in all, warm-up included; the rate stays at its end value afterwards. */
  readonly totalSteps: number;
}

/** η(t) = η·min(1, t / warmupSteps). As transformers' `get_constant_schedule_with_warmup`. */
export function constantSchedule(options: ScheduleOptions): Schedule {
  return withWarmup(options, () => 1);
}

/**
 * η(t) = η·(1 − p), p = (t − warmupSteps) / (totalSteps − warmupSteps). As transformers'
 * `get_linear_schedule_with_warmup`.
 */
export function linearSchedule(options: DecayOptions): Schedule {
  const progress = progressOf(options);
  return withWarmup(options, (step) => 1 - progress(step));
}

/**
 * η(t) = η·(1 + cos πp) / 2, p as in `linearSchedule`. As transformers' `get_cosine_schedule_with_warmup`, which,
 * however, rises again after its last step; here it is over.
 */
export function cosineSchedule(options: DecayOptions): Schedule {
  const progress = progressOf(options);
  return withWarmup(options, (step) => (1 + Math.cos(Math.PI * progress(step))) / 2);
}

function withWarmup({ learningRate, warmupSteps = 0 }: ScheduleOptions, factor: (step: number) => number): Schedule {
  checkNumber("schedule", "learningRate ≥ 0", learningRate, learningRate >= 0);
  checkNumber("schedule", "warmupSteps ≥ 0", warmupSteps, warmupSteps >= 0);
  return (step) => learningRate * (step < warmupSteps ? step / warmupSteps : factor(step));
}

function progressOf({ totalSteps, warmupSteps = 0 }: DecayOptions): (step: number) => number {
  checkNumber("schedule", `totalSteps > warmupSteps (${warmupSteps})`, totalSteps, totalSteps > warmupSteps);
  return (step) => Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
}
