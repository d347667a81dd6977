import type { z } from "zod";
import { checkCots, keptCots } from "../cots/check";
import { ConfigError } from "../errors";
import { type GrpoSettings, grpoPresets } from "../grpo/presets";
import { refuseIdle } from "../options/arguments";
import {
  callback,
  choice,
  count,
  given,
  group,
  groupOrFalse,
  list,
  number,
  readOptions,
  requiredGroup,
  type Settings,
  share,
  specOf,
} from "../options/spec";
import { isPrompt } from "../prompts/check-prompt";
import { type AnswerRewardFunction, answerReward } from "../reward/paper";
import type { RatedCot } from "../rollouts";
import { type DisposableOption, disposableOption } from "../runs/disposable";
import { checkExamples, checkHeldOut } from "../runs/examples/check-examples";
import { checkLearningRate, type LearningRate, learningRateOption } from "../runs/learning-rate";
import { checkIdle, type RunOptions, runSpec } from "../runs/run-options";
import type { Trainer } from "../trainer";
import type { Prompt } from "../types";
import { checkGrpo, grpoOption } from "./grpo-step";
import { type SamplingOptions, samplingSpec } from "./sampling-options";

/** Rows of other data that SFT rehearses, so that the policy keeps what it could do before. */
export interface RehearsalOptions {
  /** Prompts and their completions, such as captions or answers of earlier data. */
  readonly rows: readonly RehearsalRow[];
  /** The share of each batch that these rows make up, rounded to whole rows; the rest is cots (1/3). */
  readonly share?: number;
}

/** A prompt and its completion that SFT rehearses. */
export interface RehearsalRow {
  readonly prompt: Prompt;
  readonly completion: string;
}

export const rehearsalSpec = specOf<RehearsalOptions>()(() => ({
  rows: list<readonly RehearsalRow[]>("a list of { prompt, completion } with at least one row", isRow)
    .refine((rows) => rows.length > 0, "a list of { prompt, completion } with at least one row")
    .describe("Prompts and their completions, such as captions or answers of earlier data"),
  share: number("between 0 and 1, both excluded", (value) => value > 0 && value < 1)
    .default(1 / 3)
    .describe("The share of each batch that these rows make up, rounded to whole rows; the rest is cots")
    .meta({ default: "1/3" }),
}));

function isRow(value: unknown): boolean {
  const { prompt, completion } = Object(value) as Partial<RehearsalRow>;
  return isPrompt(prompt) && typeof completion === "string";
}

/** Options of stage 2's supervised start. */
export interface SftOptions {
  /** Updates (200). */
  readonly steps?: number;
  /** Instead of `steps`: times that every cot of D_high is seen, rounded up to whole updates. */
  readonly epochs?: number;
  /** Samples in one update; the paper's batch is 1 times 2 (2). */
  readonly batchSize?: number;
  /** A constant or a schedule (2e-5). */
  readonly learningRate?: LearningRate;
  /** Eq. 8, the mean over samples of the sum over tokens, or the mean over all tokens of the batch ("sequence"). */
  readonly lossType?: "sequence" | "token";
  /** Rows of other data in each batch, which keep the policy from unlearning what SFT does not show. */
  readonly rehearsal?: RehearsalOptions;
  /** α of WiSE-FT: the share of SFT's change to the weights that is kept after its last update (1). */
  readonly interpolation?: number;
}

export const sftSpec = specOf<SftOptions>()(() => ({
  steps: count(0).default(200).describe("Updates"),
  epochs: number("a finite number of at least 0", (value) => value >= 0 && Number.isFinite(value))
    .exactOptional()
    .describe("Instead of `steps`: times that every cot of D_high is seen, rounded up to whole updates"),
  batchSize: count().default(2).describe("Samples in one update; the paper's batch is 1 times 2"),
  learningRate: learningRateOption().default(2e-5).describe("A constant or a schedule"),
  lossType: choice(["sequence", "token"])
    .default("sequence")
    .describe("Eq. 8, the mean over samples of the sum over tokens, or the mean over all tokens of the batch"),
  rehearsal: requiredGroup(rehearsalSpec())
    .optional()
    .describe("Rows of other data in each batch, which keep the policy from unlearning what SFT does not show"),
  interpolation: share()
    .default(1)
    .describe("α of WiSE-FT: the share of SFT's change to the weights that is kept after its last update"),
}));

export type SftSettings = z.output<z.ZodObject<ReturnType<typeof sftSpec>>>;

/** Options of stage 2's reinforcement. */
export interface RftOptions<A> {
  /** Updates (200). */
  readonly steps?: number;
  /** G, completions for each example (8). */
  readonly groupSize?: number;
  /** Examples whose groups make up one update (2). */
  readonly examplesPerStep?: number;
  /** A constant or a schedule (2e-5). */
  readonly learningRate?: LearningRate;
  /** Advantages and loss of GRPO (grpoPresets["rise-paper"]). */
  readonly grpo?: GrpoSettings;
  /** How completions are drawn, and their lengths. */
  readonly sampling?: AnswerSamplingOptions;
  /** The reward of a completion, Eq. 9 (answerReward). */
  readonly reward?: AnswerRewardFunction<A>;
}

/** How stage 2 samples answers. */
export interface AnswerSamplingOptions extends SamplingOptions {
  /** Tokens of a completion (512). */
  readonly maxTokens?: number;
}

export const answerSamplingSpec = specOf<AnswerSamplingOptions>()(() => ({
  ...samplingSpec(),
  maxTokens: count().default(512).describe("Tokens of a completion"),
}));

export const rftSpec = specOf<RftOptions<unknown>>()(() => ({
  steps: count(0).default(200).describe("Updates"),
  groupSize: count(2).default(8).describe("G, completions for each example"),
  examplesPerStep: count().default(2).describe("Examples whose groups make up one update"),
  learningRate: learningRateOption().default(2e-5).describe("A constant or a schedule"),
  grpo: grpoOption()
    .prefault(grpoPresets["rise-paper"])
    .describe("Advantages and loss of GRPO")
    .meta({ default: 'grpoPresets["rise-paper"]' }),
  sampling: group(answerSamplingSpec()).describe("How completions are drawn, and their lengths"),
  reward: callback<AnswerRewardFunction<never>>("a function, such as answerReward")
    .default(() => answerReward)
    .describe("The reward of a completion, Eq. 9"),
}));

export type RftSettings<A> = Omit<z.output<z.ZodObject<ReturnType<typeof rftSpec>>>, "reward"> & {
  readonly reward: AnswerRewardFunction<A>;
};

/** Options of `riseR1`. */
export interface RiseR1Options<A> extends RunOptions<A> {
  /** D_RISE, from `riseCot`; may be empty if there is no SFT. */
  readonly cots: readonly RatedCot<A>[];
  /** The policy to train. The run disposes of a policy that a function makes. */
  readonly trainer: DisposableOption<Trainer>;
  /** Imitation of the kept cots. `false` leaves it out: with `cots: []`, the run is Visual-RFT. */
  readonly sft?: SftOptions | false;
  /** Reinforcement on all examples. `false` leaves it out: SFT alone. */
  readonly rft?: RftOptions<A> | false;
}

export const riseR1Spec = specOf<RiseR1Options<unknown>>()(() => ({
  cots: given("an array of cots, such as riseCot's dataset")
    .optional()
    .describe("D_RISE, from `riseCot`; may be empty if there is no SFT"),
  trainer: disposableOption("trainer", "backward")
    .describe("The policy to train. The run disposes of a policy that a function makes")
    .meta({ decides: false }),
  sft: groupOrFalse(sftSpec())
    .prefault({})
    .describe("Imitation of the kept cots. `false` leaves it out: with `cots: []`, the run is Visual-RFT"),
  rft: groupOrFalse(rftSpec()).prefault({}).describe("Reinforcement on all examples. `false` leaves it out: SFT alone"),
  ...runSpec(),
}));

export type RiseR1Settings<A> = Omit<Settings<RiseR1Options<A>, typeof riseR1Spec>, "sft" | "rft"> & {
  readonly sft: SftSettings | false;
  readonly rft: RftSettings<A> | false;
};

/**
 * Options with their defaults, and the cots that SFT learns from.
 * @throws ConfigError, DataError: everything that can be refused before a model is loaded
 */
export function readRiseR1Options<A>(options: RiseR1Options<A>) {
  const read = readOptions("riseR1", options, riseR1Spec) as RiseR1Settings<A>;
  // JavaScript may leave the cots out if nothing learns from them.
  const settings = read.sft ? read : { ...read, cots: read.cots ?? [] };
  const { task, dataset, heldOut, cots, threshold, sft, rft } = settings;
  checkIdle("riseR1", options);
  if (!sft) refuseIdle("riseR1", "beside sft: false, which imitates no cots", { threshold: options.threshold });
  if (sft === false && rft === false)
    throw new ConfigError("riseR1: expected sft or rft, got false for both, which trains nothing");
  checkExamples(task, dataset);
  checkHeldOut(task, heldOut, dataset);
  checkCots(cots);
  if (sft && options.sft && options.sft.steps !== undefined && sft.epochs !== undefined)
    throw new ConfigError("riseR1: expected sft.steps or sft.epochs, got both");
  const kept = sft ? keptCots(cots, { task, dataset, threshold }) : [];
  if (sft) checkLearningRate("riseR1", "sft.learningRate", sft.learningRate, sftSteps(sft, kept.length));
  if (sft && sft.rehearsal !== undefined) rehearsedRows(sft);
  if (rft) {
    checkLearningRate("riseR1", "rft.learningRate", rft.learningRate, rft.steps);
    checkGrpo(rft.grpo, { rolloutsPerGroup: rft.groupSize, groups: rft.examplesPerStep });
  }
  // The caller's lists may change while the run is under way.
  return { settings: { ...settings, dataset: [...dataset], heldOut: [...heldOut], cots: [...cots] }, kept };
}

/** Steps of SFT: its own, or those that its epochs make. */
export const sftSteps = (sft: SftSettings, samples: number): number => {
  if (sft.epochs === undefined) return sft.steps;
  // 1.1 · 50 is slightly more than 55 in floating point.
  return Math.ceil((sft.epochs * samples) / (sft.batchSize - rehearsedRows(sft)) - 1e-9);
};

/**
 * Rows of a batch that are rehearsed.
 * @throws ConfigError if the share of the batch is no row, or every row
 */
export function rehearsedRows({ batchSize, rehearsal }: SftSettings): number {
  if (!rehearsal) return 0;
  const rows = Math.round(rehearsal.share * batchSize);
  if (rows > 0 && rows < batchSize) return rows;
  throw new ConfigError(
    `riseR1: expected sft.rehearsal.share to leave a row for cots and one for rehearsal, got ${rehearsal.share} of a batchSize of ${batchSize}; use another share or a larger batch`,
  );
}
