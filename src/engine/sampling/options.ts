import type { GenerateOptions } from "../../backend";
import {
  callback,
  divisor,
  given,
  having,
  isDivisor,
  list,
  number,
  readOptions,
  seed as seedOption,
  share,
  specOf,
  count as wholeNumber,
} from "../../options/spec";
import type { SamplingOptions } from "./generate";

const isTopK = (value: unknown) =>
  value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && Number(value) >= 1);

export const generateSpec = specOf<GenerateOptions>()(() => ({
  count: wholeNumber().default(1).describe("Completions per prompt"),
  maxTokens: wholeNumber().default(256).describe("Tokens per completion"),
  temperature: number("0, or from 0.000001 to 1000000", (value) => value === 0 || isDivisor(value))
    .default(1)
    .describe("0 is greedy"),
  topK: given<number>("a whole number of at least 1", isTopK)
    .optional()
    .describe("Only the likeliest tokens, at most this many; all without it"),
  topP: share().default(1).describe("Nucleus: the smallest set of tokens whose probabilities sum to at least this"),
  repetitionPenalty: divisor()
    .optional()
    .describe("Divides the logits above 0, and multiplies those below, of tokens that are there already; 1 without it"),
  seed: seedOption().describe("Completion k of prompt i depends on (seed, i, k) and its own prompt only"),
  stop: list<readonly string[]>("a list of texts that are not empty", (stop) => typeof stop === "string" && stop !== "")
    .default([])
    .describe("Texts that end a completion; they are not part of it"),
  onPromptEnd: callback().optional().describe("Called with a prompt's completions, or its failure, and awaited"),
  signal: having("an AbortSignal", "throwIfAborted").optional().describe("Ends the generation while it is under way"),
}));

/** Checks sampling options and fills in defaults. @throws ConfigError */
export function checkedSampling(
  options: GenerateOptions,
): SamplingOptions & { readonly count: number; readonly stop: readonly string[] } {
  const settings = readOptions("generate", options, generateSpec);
  const { maxTokens, temperature, topK = Number.POSITIVE_INFINITY, topP, repetitionPenalty = 1, seed } = settings;
  const { count, stop } = settings;
  // Float32 would turn a smaller number into 0; the sampled token is the likeliest either way.
  return { maxTokens, temperature, topK, topP: Math.max(topP, 1e-30), repetitionPenalty, seed, count, stop };
}
