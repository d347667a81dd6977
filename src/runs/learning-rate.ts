import { createHash } from "node:crypto";
import { ConfigError } from "../errors";
import { shown } from "../options/display";
import { given } from "../options/spec";

/** A constant, or the rate of the update that follows `step` steps of its stage. */
export type LearningRate = number | ((step: number) => number);

const isRate = (value: unknown) => typeof value === "number" && value >= 0 && Number.isFinite(value);

/** The schema of an option that is a learning rate; `checkLearningRate` reads a schedule's rates. */
export const learningRateOption = () =>
  given<LearningRate>(
    "a number of at least 0, or a function of the step",
    (value: unknown) => typeof value === "function" || isRate(value),
  );

/** @throws ConfigError naming the option `name`, if the rate of a step is negative or not a number */
export function checkLearningRate(where: string, name: string, learningRate: LearningRate, steps: number): void {
  const rates = typeof learningRate === "number" ? 1 : steps;
  for (let step = 0; step < rates; step++) learningRateAt(learningRate, step, `${where}: expected ${name}`);
}

/** @throws ConfigError for a rate that is negative or not a number */
export function learningRateAt(learningRate: LearningRate, step: number, what = "expected the learning rate"): number {
  const rate = typeof learningRate === "number" ? learningRate : learningRate(step);
  if (!isRate(rate)) throw new ConfigError(`${what} to be a number of at least 0, got ${shown(rate)} for step ${step}`);
  return rate;
}

/** Describes a learning rate for `config.json`; a schedule is known by its rates. */
export function describeLearningRate(learningRate: LearningRate, steps: number): object | number {
  if (typeof learningRate === "number") return learningRateAt(learningRate, 0);
  const rates = Array.from({ length: steps }, (_, step) => learningRateAt(learningRate, step));
  const sha256 = createHash("sha256").update(JSON.stringify(rates)).digest("hex");
  return { first: rates[0], last: rates.at(-1), sha256 };
}
