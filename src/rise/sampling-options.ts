import * as z from "zod";
import { count, number, share, specOf } from "../options/spec";

/**
 * How completions are drawn. The trained policy is softmax(logits / temperature), as in TRL. Tokens that the other
 * settings exclude or make less likely still belong to it, and no importance ratio corrects for them: these settings
 * choose the completions to learn from.
 */
export interface SamplingOptions {
  /** Divides the logits; a finite number above 0, since equal rollouts teach nothing (1). */
  readonly temperature?: number;
  /** Nucleus: the likeliest tokens whose probabilities sum to at least this, in (0, 1]; all tokens without it. */
  readonly topP?: number;
  /** Only the likeliest tokens, at most this many; all tokens without it. */
  readonly topK?: number;
  /** Above 1, makes tokens less likely that the prompt or the completion has already; 1 and no value do nothing. */
  readonly repetitionPenalty?: number;
}

const finite = () => number("a finite number above 0", (value) => value > 0 && Number.isFinite(value));
const isCount = (value: number) => value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && value >= 1);

export const samplingSpec = specOf<SamplingOptions>()(() => ({
  temperature: finite()
    .default(1)
    .describe("Divides the logits; a finite number above 0, since equal rollouts teach nothing"),
  topP: share()
    .exactOptional()
    .describe(
      "Nucleus: the likeliest tokens whose probabilities sum to at least this, in (0, 1]; all tokens without it",
    ),
  topK: number("a whole number of at least 1", isCount)
    .exactOptional()
    .describe("Only the likeliest tokens, at most this many; all tokens without it"),
  repetitionPenalty: finite()
    .exactOptional()
    .describe(
      "Above 1, makes tokens less likely that the prompt or the completion has already; 1 and no value do nothing",
    ),
}));

export interface SamplingSettings extends SamplingOptions {
  readonly temperature: number;
}

/** How stage 1 samples cots and reconstructions. */
export interface RolloutSamplingOptions extends SamplingOptions {
  /** Tokens of a cot (256). */
  readonly cotMaxTokens?: number;
  /** Tokens of a reconstruction (256). */
  readonly reconstructionMaxTokens?: number;
  /**
   * How reconstructions are drawn, if not as cots are. The published code has temperature 0.7 and repetition penalty
   * 1.2.
   */
  readonly reconstruction?: SamplingOptions;
  /** K, reconstructions of each cot; each is a rollout, and several tell a good cot from a lucky one (1). */
  readonly reconstructionsPerCot?: number;
}

export const rolloutSamplingSpec = specOf<RolloutSamplingOptions>()(() => ({
  ...samplingSpec(),
  cotMaxTokens: count().default(256).describe("Tokens of a cot"),
  reconstructionMaxTokens: count().default(256).describe("Tokens of a reconstruction"),
  reconstruction: z
    .strictObject(
      {
        ...samplingSpec(),
        temperature: finite().exactOptional().describe("Softens the distribution; as for cots without it"),
      },
      "an object",
    )
    .prefault({})
    .describe(
      "How reconstructions are drawn, if not as cots are. The published code has temperature 0.7 and repetition penalty 1.2",
    ),
  reconstructionsPerCot: count()
    .default(1)
    .describe("K, reconstructions of each cot; each is a rollout, and several tell a good cot from a lucky one"),
}));

export interface RolloutSamplingSettings extends SamplingSettings {
  readonly cotMaxTokens: number;
  readonly reconstructionMaxTokens: number;
  readonly reconstruction: SamplingOptions;
  readonly reconstructionsPerCot: number;
}

/** How cots are drawn, and how reconstructions are: as cots, except for their own settings. */
export function splitSampling(sampling: RolloutSamplingSettings): {
  readonly cots: SamplingSettings;
  readonly reconstructions: SamplingSettings;
} {
  const { cotMaxTokens, reconstructionMaxTokens, reconstructionsPerCot, reconstruction, ...cots } = sampling;
  return { cots, reconstructions: { ...cots, ...reconstruction } };
}

/** Draws the likeliest completions, one of each kind. */
export const greedySampling = (sampling: RolloutSamplingSettings): RolloutSamplingSettings => ({
  ...sampling,
  temperature: 0,
  reconstructionsPerCot: 1,
  reconstruction: { ...sampling.reconstruction, temperature: 0 },
});
