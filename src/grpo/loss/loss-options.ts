import { ConfigError } from "../../errors";
import {
  flag,
  group,
  keyOf,
  notNegative,
  number,
  positive,
  readOptions,
  type Settings,
  specOf,
} from "../../options/spec";
import { type AggregationName, aggregations } from "./aggregation";
import type { GrpoBatch } from "./batch";
import { type CorrectionOptions, correctionsSpec } from "./corrections";
import { type CovarianceOptions, covarianceSpec } from "./covariance";
import { type ImportanceLevel, importanceLevels } from "./importance";
import { type KlEstimatorName, klEstimators } from "./kl";
import { type GrpoLossType, type LossType, lossTypes } from "./loss-types";
import { type DroOptions, droSpec, type SapoOptions, sapoSpec, type VespoOptions, vespoSpec } from "./objective";

/** Options of `grpoLoss`. */
export interface GrpoLossOptions {
  /** The published loss ("grpo"). */
  readonly lossType?: GrpoLossType;
  /**
   * ε: a ratio below 1 − ε earns nothing more (0.2). For dppo_tv and dppo_kl, how far a token's probability may fall
   * (see `objectives`).
   */
  readonly clipEpsilon?: number;
  /**
   * ε_high: the same above 1 + ε_high (ε; DAPO: 0.28). For cispo it is the cap on the ratio itself, and required
   * (5 is usual).
   */
  readonly clipEpsilonHigh?: number;
  /**
   * δ: bounds the ratio where A < 0, which the clip leaves unbounded (∞; 3 is PPO's dual clip). For dppo_tv and dppo_kl
   * it is the cap on every ratio (verl's `clip_ratio_c`). gspo, clip_cov and verl's other losses have none.
   */
  readonly delta?: number;
  /** β: the weight of KL(π ‖ π_ref) (0). */
  readonly klCoefficient?: number;
  /** How KL is estimated from the sampled tokens ("k3"). */
  readonly klEstimator?: KlEstimatorName;
  /** Multiplies KL by the importance ratio, so that it is unbiased for samples of the old policy too (false). */
  readonly klImportanceWeight?: boolean;
  /** c: the weight of the mean entropy, subtracted from the loss; needs `entropies` (0). */
  readonly entropyCoefficient?: number;
  /**
   * One ratio for each token, or one for the sequence: the geometric mean (GSPO; "sequenceToken" has the same value,
   * but each token's own gradient), the product (RLOO), or GMPO's (lossType's own).
   */
  readonly importanceLevel?: ImportanceLevel;
  /** How tokens add up (lossType's own). */
  readonly aggregation?: AggregationName;
  /** Whether means over sequences leave out fully masked ones, as verl does except in geo_mean (false). */
  readonly skipEmpty?: boolean;
  /** η, added to the length in a sequence's mean (0; verl's is 1e-8). */
  readonly lengthEpsilon?: number;
  /**
   * Bounds log-ratios as verl does: to ±20, gspo's to at most 10; geo_mean, clip_cov, kl_cov and dro have no bounds
   * (false).
   */
  readonly boundLogRatios?: boolean;
  /** sapo: τ where A > 0 (1) and elsewhere (1.05). */
  readonly sapo?: SapoOptions;
  /** vespo: k and λ where A ≥ 0 (2, 3) and where A < 0 (3, 2). */
  readonly vespo?: VespoOptions;
  /** dro: β, the weight of (log r)²/2; required. */
  readonly dro?: DroOptions;
  /** Factors that make tokens count for less (all off). */
  readonly corrections?: CorrectionOptions;
  /** clip_cov, kl_cov: the tokens that they hold back. */
  readonly covariance?: CovarianceOptions;
  /** dr_grpo, or aggregation "fixedLength": tokens a completion can have at most. */
  readonly maxLength?: number;
  /** Batches whose gradients are added up before one optimiser step (1). */
  readonly accumulationSteps?: number;
  /**
   * dapo, cispo, vespo: unmasked tokens in all batches of the optimiser step (accumulationSteps times this batch's).
   */
  readonly totalTokens?: number;
}

export const grpoLossSpec = specOf<GrpoLossOptions>()(() => ({
  lossType: keyOf(lossTypes).default("grpo").describe("Which published loss"),
  clipEpsilon: notNegative().default(0.2).describe("ε: a ratio below 1 − ε earns nothing more"),
  clipEpsilonHigh: notNegative()
    .optional()
    .describe("ε_high: the same above 1 + ε_high; ε without it. cispo has to be given it, its cap on the ratio (5)"),
  delta: positive()
    .default(Number.POSITIVE_INFINITY)
    .describe("δ: bounds the ratio where A < 0, which the clip leaves unbounded"),
  klCoefficient: notNegative().default(0).describe("β: the weight of KL(π ‖ π_ref)"),
  klEstimator: keyOf(klEstimators).default("k3").describe("How KL is estimated from the sampled tokens"),
  klImportanceWeight: flag().default(false).describe("Multiplies KL by the importance ratio"),
  entropyCoefficient: number().default(0).describe("c: the weight of the mean entropy, taken off the loss"),
  importanceLevel: keyOf(importanceLevels)
    .optional()
    .describe("A ratio for each token, or one for the sequence; lossType's own without it"),
  aggregation: keyOf(aggregations).optional().describe("How tokens add up; lossType's own without it"),
  skipEmpty: flag().default(false).describe("Means over sequences leave out those that are masked throughout"),
  lengthEpsilon: notNegative().default(0).describe("η: added to the length that a sequence's mean is divided by"),
  boundLogRatios: flag().default(false).describe("Bounds log-ratios where verl does"),
  sapo: group(sapoSpec()).describe("sapo: how sharply it closes its gate"),
  vespo: group(vespoSpec()).describe("vespo: its weight, φ = w^k·exp(λ(1 − w))"),
  dro: group(droSpec()).describe("dro: its penalty"),
  corrections: group(correctionsSpec()).describe("Factors that make tokens count for less"),
  covariance: group(covarianceSpec()).describe("clip_cov, kl_cov: which tokens they hold back"),
  maxLength: positive()
    .optional()
    .describe('For aggregation "fixedLength" (dr_grpo): tokens of the longest completion'),
  accumulationSteps: positive().default(1).describe("Batches whose gradients are added up before one optimiser step"),
  totalTokens: positive()
    .optional()
    .describe('For aggregation "stepTokenMean" (dapo, cispo, vespo): unmasked tokens of the optimiser step'),
}));

export type LossSettings = ReturnType<typeof lossSettings>;

/** Reads the options, and refuses those that contradict each other or need rows that the batch lacks. */
export function lossSettings(options: GrpoLossOptions, batch: GrpoBatch) {
  const read = readOptions("grpoLoss", options, grpoLossSpec);
  const loss: LossType = lossTypes[read.lossType];
  const { sampler, ...corrections } = read.corrections;
  const settings = {
    ...read,
    loss,
    importanceLevel: read.importanceLevel ?? loss.importanceLevel ?? "token",
    aggregation: read.aggregation ?? loss.aggregation,
    clipEpsilonHigh: read.clipEpsilonHigh ?? read.clipEpsilon,
    corrections: { ...corrections, sampler: sampler || undefined },
  };
  checkCombinations(read, settings);
  checkInputs(batch, settings);
  return settings;
}

function checkCombinations(
  { lossType, maxLength, clipEpsilonHigh, dro }: Settings<GrpoLossOptions, typeof grpoLossSpec>,
  { aggregation, corrections: { sampler } }: LossSettings,
): void {
  if (aggregation === "fixedLength" && maxLength === undefined)
    throw new ConfigError(`grpoLoss: ${lossType} expects maxLength, got none`);
  if (lossType === "cispo" && clipEpsilonHigh === undefined)
    throw new ConfigError("grpoLoss: cispo expects clipEpsilonHigh, its cap on the ratio (5 is usual), got none");
  if (lossType === "dro" && dro.beta === undefined)
    throw new ConfigError("grpoLoss: dro expects dro.beta, the weight of its penalty, got none");
  if (lossType === "vespo" && sampler && sampler.level !== "token")
    throw new ConfigError(
      `grpoLoss: vespo expects corrections.sampler.level "token", got "${sampler.level}": it makes the sequence's ratio itself`,
    );
}

function checkInputs(batch: GrpoBatch, { klCoefficient, entropyCoefficient, corrections }: LossSettings): void {
  const needs = [
    ["refLogProbs", "klCoefficient", klCoefficient !== 0],
    ["entropies", "entropyCoefficient", entropyCoefficient !== 0],
    ["entropies", "corrections.topEntropy", corrections.topEntropy !== undefined],
    ["samplingLogProbs", "corrections.sampler", corrections.sampler !== undefined],
  ] as const;
  for (const [rows, option, isNeeded] of needs)
    if (isNeeded && batch[rows] === undefined)
      throw new ConfigError(`grpoLoss: expected ${rows}, because ${option} is set; got none`);
}
