import type { GenerateOptions } from "../../backend";
import { ConfigError } from "../../errors";
import { checkPositiveIntegers, divisors, isDivisor } from "../../options/limits";
import { checkNumber, checkOptions, type Names } from "../../options/options";
import type { SamplingOptions } from "./generate";

export const generateNames: Names<GenerateOptions> = {
  count: true,
  maxTokens: true,
  temperature: true,
  topK: true,
  topP: true,
  repetitionPenalty: true,
  seed: true,
  stop: true,
  onPromptEnd: true,
  signal: true,
};

/** With defaults.  @throws ConfigError */
export function checkedSampling(options: GenerateOptions): SamplingOptions {
  checkOptions("generate", options, generateNames);
  const { maxTokens = 256, temperature = 1, topK = Number.POSITIVE_INFINITY, topP = 1 } = options;
  const { repetitionPenalty = 1, seed, count = 1, stop = [] } = options;
  const demand = (what: string, got: number, ok: boolean) => checkNumber("generate", what, got, ok);
  checkPositiveIntegers("generate", { maxTokens, count, ...(topK !== Number.POSITIVE_INFINITY && { topK }) });
  demand(`temperature 0, or ${divisors}`, temperature, temperature === 0 || isDivisor(temperature));
  demand("topP in (0, 1]", topP, topP > 0 && topP <= 1);
  demand(`repetitionPenalty ${divisors}`, repetitionPenalty, isDivisor(repetitionPenalty));
  demand("seed to be a whole number", seed, Number.isInteger(seed));
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== "string" || text === ""))
    throw new ConfigError(`generate: expected stop texts that are not empty, got ${JSON.stringify(stop)}`);
  // Where float32 would make 0 of it; either way it is the likeliest token.
  return { maxTokens, temperature, topK, topP: Math.max(topP, 1e-30), repetitionPenalty, seed };
}
