import type { GenerateOptions } from "../../backends/backend";
import { ConfigError } from "../../errors";
import { checkNumber, checkOptions, type Names } from "../../options";
import type { SamplingOptions } from "./generate";
import { checkPositiveIntegers } from "./limits";

export const generateNames: Names<GenerateOptions> = {
  count: true,
  maxTokens: true,
  temperature: true,
  topK: true,
  topP: true,
  repetitionPenalty: true,
  seed: true,
  stop: true,
  signal: true,
};

/** With defaults.  @throws ConfigError */
export function checkedSampling(options: GenerateOptions): SamplingOptions {
  checkOptions("generate", options, generateNames);
  const { maxTokens = 256, temperature = 1, topK = Number.POSITIVE_INFINITY, topP = 1 } = options;
  const { repetitionPenalty = 1, seed, count = 1, stop = [] } = options;
  const demand = (what: string, got: number, ok: boolean) => checkNumber("generate", what, got, ok);
  checkPositiveIntegers("generate", { maxTokens, count, ...(topK !== Number.POSITIVE_INFINITY && { topK }) });
  demand("a finite temperature ≥ 0", temperature, temperature >= 0 && Number.isFinite(temperature));
  demand("topP in (0, 1]", topP, topP > 0 && topP <= 1);
  const isPenalty = repetitionPenalty > 0 && Number.isFinite(repetitionPenalty);
  demand("a finite repetitionPenalty above 0", repetitionPenalty, isPenalty);
  demand("seed to be a whole number", seed, Number.isInteger(seed));
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== "string" || text === ""))
    throw new ConfigError(`generate: expected stop texts that are not empty, got ${JSON.stringify(stop)}`);
  return { maxTokens, temperature, topK, topP, repetitionPenalty, seed };
}
