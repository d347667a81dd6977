import { createHash } from "node:crypto";
import { ConfigError } from "../errors";
import { shown } from "../options/display";

/** A constant, or the rate of the update that follows `step` steps of its stage. */
export type LearningRate = number | ((step: number) => number);

/** @throws ConfigError naming the setting: for what is neither a rate nor a schedule, and for a rate, of any step, that is negative or not a number */
export function checkLearningRate(name: string, learningRate: LearningRate, steps: number): void {
  if (typeof learningRate !== "number" && typeof learningRate !== "function")
    throw new ConfigError(`expected ${name} to be a number or a function of the step, got ${shown(learningRate)}`);
  const rates = typeof learningRate === "number" ? 1 : steps;
  for (let step = 0; step < rates; step++) learningRateAt(learningRate, step, name);
}

/** @throws ConfigError for a rate that is negative or not a number */
export function learningRateAt(learningRate: LearningRate, step: number, name = "learningRate"): number {
  const rate = typeof learningRate === "number" ? learningRate : learningRate(step);
  if (!(rate >= 0 && Number.isFinite(rate)))
    throw new ConfigError(`${name}: expected a learning rate of at least 0, got ${shown(rate)} for step ${step}`);
  return rate;
}

/** What `config.json` says about it: a schedule is known by the rates it gives. */
export function describeLearningRate(learningRate: LearningRate, steps: number): object | number {
  if (typeof learningRate === "number") return learningRateAt(learningRate, 0);
  const rates = Array.from({ length: steps }, (_, step) => learningRateAt(learningRate, step));
  const sha256 = createHash("sha256").update(JSON.stringify(rates)).digest("hex");
  return { first: rates[0], last: rates.at(-1), sha256 };
}
