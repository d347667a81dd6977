import { ConfigError } from "../../errors";
import { shown } from "../../options/display";
import { checkBooleans, checkNumber, checkOptions, type Names } from "../../options/options";
import { type AggregationName, aggregations } from "./aggregation";
import type { GrpoBatch } from "./batch";
import type { CorrectionOptions, Corrections } from "./corrections";
import type { CovarianceOptions } from "./covariance";
import { type ImportanceLevel, importanceLevels } from "./importance";
import { type KlEstimatorName, klEstimators } from "./kl";
import { type GrpoLossType, type LossType, lossTypes } from "./loss-types";
import type { DroOptions, SapoOptions, VespoOptions } from "./objective";

export interface GrpoLossOptions {
  /** Which published loss ("grpo"). */
  readonly lossType?: GrpoLossType;
  /** ε: a ratio below 1 − ε earns nothing more (0.2). For dppo_tv and dppo_kl, how far a token's probability may fall (see `objectives`). */
  readonly clipEpsilon?: number;
  /** ε_high: the same above 1 + ε_high (ε; DAPO: 0.28). For cispo it is the cap on the ratio itself, and has to be given (5). */
  readonly clipEpsilonHigh?: number;
  /**
   * δ: bounds the ratio where A < 0, which the clip leaves unbounded (∞; 3 is PPO's dual clip). For dppo_tv and dppo_kl it is the
   * cap on every ratio (verl's `clip_ratio_c`). gspo, clip_cov and verl's other losses have none.
   */
  readonly delta?: number;
  /** β: the weight of KL(π ‖ π_ref) (0). */
  readonly klCoefficient?: number;
  /** How KL is estimated from the sampled tokens ("k3"). */
  readonly klEstimator?: KlEstimatorName;
  /** Multiplies KL by the importance ratio, so that it is unbiased for samples of the old policy too (false). */
  readonly klImportanceWeight?: boolean;
  /** c: the weight of the mean entropy, taken off the loss; needs `entropies` (0). */
  readonly entropyCoefficient?: number;
  /**
   * One ratio for each token, or one for the sequence: its geometric mean (GSPO; "sequenceToken" has the same value, and leaves each token
   * its own gradient), its product (RLOO), GMPO's (lossType's own).
   */
  readonly importanceLevel?: ImportanceLevel;
  /** How tokens add up (lossType's own). */
  readonly aggregation?: AggregationName;
  /** Means over sequences leave out those that are masked throughout, as verl does in all but geo_mean (false). */
  readonly skipEmpty?: boolean;
  /** η: added to the length that a sequence's mean is divided by (0; verl's is 1e-8). */
  readonly lengthEpsilon?: number;
  /** Bounds log-ratios where verl does: to ±20, gspo's to at most 10, those of geo_mean, clip_cov, kl_cov and dro not at all (false). */
  readonly boundLogRatios?: boolean;
  /** sapo: τ where A > 0 (1) and elsewhere (1.05). */
  readonly sapo?: SapoOptions;
  /** vespo: k and λ where A ≥ 0 (2, 3) and where A < 0 (3, 2). */
  readonly vespo?: VespoOptions;
  /** dro: β, the weight of (log r)²/2; has to be given. */
  readonly dro?: DroOptions;
  /** What makes tokens count for less (none). */
  readonly corrections?: CorrectionOptions;
  /** clip_cov, kl_cov: which tokens they hold back. */
  readonly covariance?: CovarianceOptions;
  /** dr_grpo, or aggregation "fixedLength": tokens a completion can have at most. */
  readonly maxLength?: number;
  /** Batches whose gradients are added up before one optimiser step (1). */
  readonly accumulationSteps?: number;
  /** dapo, cispo, vespo: unmasked tokens in all batches of the optimiser step (accumulationSteps times this batch's). */
  readonly totalTokens?: number;
}

const names: Names<GrpoLossOptions> = {
  lossType: true,
  clipEpsilon: true,
  clipEpsilonHigh: true,
  delta: true,
  klCoefficient: true,
  klEstimator: true,
  klImportanceWeight: true,
  entropyCoefficient: true,
  importanceLevel: true,
  aggregation: true,
  skipEmpty: true,
  lengthEpsilon: true,
  boundLogRatios: true,
  sapo: { temperaturePositive: true, temperatureNegative: true },
  vespo: { kPositive: true, lambdaPositive: true, kNegative: true, lambdaNegative: true },
  dro: { beta: true },
  corrections: {
    offPolicyThreshold: true,
    topEntropy: true,
    sampler: { level: true, outside: true, min: true, max: true },
  },
  covariance: { share: true, above: true, below: true, seed: true, coefficient: true },
  maxLength: true,
  accumulationSteps: true,
  totalTokens: true,
};

export type LossSettings = ReturnType<typeof readOptions>;

/** Options with their defaults; those that contradict each other, or need what the batch does not have, are refused. */
export function readOptions(options: GrpoLossOptions, batch: GrpoBatch) {
  const { sampler, ...others } = options?.corrections ?? {};
  const corrections: Corrections = { ...others, ...(sampler && { sampler }) };
  checkOptions("grpoLoss", sampler === false ? { ...options, corrections } : options, names);
  const { lossType = "grpo", clipEpsilon = 0.2, klCoefficient = 0, klEstimator = "k3" } = options;
  oneOf("lossType", lossType, lossTypes);
  const loss: LossType = lossTypes[lossType];
  const settings = {
    loss,
    importanceLevel: options.importanceLevel ?? loss.importanceLevel ?? "token",
    aggregation: options.aggregation ?? loss.aggregation,
    skipEmpty: options.skipEmpty ?? false,
    lengthEpsilon: options.lengthEpsilon ?? 0,
    boundLogRatios: options.boundLogRatios ?? false,
    sapo: { temperaturePositive: 1, temperatureNegative: 1.05, ...given(options.sapo) },
    vespo: { kPositive: 2, lambdaPositive: 3, kNegative: 3, lambdaNegative: 2, ...given(options.vespo) },
    dro: { beta: Number.NaN, ...given(options.dro) },
    clipEpsilon,
    clipEpsilonHigh: options.clipEpsilonHigh ?? clipEpsilon,
    delta: options.delta ?? Number.POSITIVE_INFINITY,
    klCoefficient,
    klEstimator,
    klImportanceWeight: options.klImportanceWeight ?? false,
    entropyCoefficient: options.entropyCoefficient ?? 0,
    corrections,
    covariance: options.covariance ?? {},
    maxLength: options.maxLength,
    accumulationSteps: options.accumulationSteps ?? 1,
    totalTokens: options.totalTokens,
  };
  oneOf("klEstimator", klEstimator, klEstimators);
  oneOf("importanceLevel", settings.importanceLevel, importanceLevels);
  oneOf("aggregation", settings.aggregation, aggregations);
  oneOf("corrections.sampler.level", corrections.sampler?.level ?? "token", { token: 1, sequence: 1 });
  oneOf("corrections.sampler.outside", corrections.sampler?.outside ?? "mask", { mask: 1, truncate: 1 });
  checkNumbers(settings);
  checkCombinations(lossType, options, settings);
  checkInputs(batch, settings);
  return settings;
}

/** Without what is undefined, which would hide a default. */
const given = <T extends object>(options: T | undefined) =>
  Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as T;

function oneOf(name: string, value: string, table: object): void {
  if (!Object.hasOwn(table, value)) {
    throw new ConfigError(`grpoLoss: expected ${name} to be one of ${Object.keys(table).join(", ")}; got "${value}"`);
  }
}

function checkNumbers(settings: LossSettings): void {
  const { klImportanceWeight, skipEmpty, boundLogRatios, lengthEpsilon, sapo, vespo } = settings;
  checkBooleans("grpoLoss", { klImportanceWeight, skipEmpty, boundLogRatios });
  const { clipEpsilon, clipEpsilonHigh, klCoefficient, delta, maxLength, accumulationSteps, totalTokens } = settings;
  const { corrections, covariance, entropyCoefficient } = settings;
  const { min, max } = corrections.sampler ?? {};
  const atLeastZero = {
    ...{ clipEpsilon, clipEpsilonHigh, klCoefficient, lengthEpsilon, "corrections.sampler.min": min },
    ...within("vespo", vespo),
  };
  for (const [name, value] of Object.entries(atLeastZero)) {
    if (value !== undefined) checkNumber("grpoLoss", `${name} ≥ 0`, value, value >= 0);
  }
  const positive = {
    ...{ delta, maxLength, accumulationSteps, totalTokens, "corrections.sampler.max": max },
    ...within("sapo", sapo),
  };
  for (const [name, value] of Object.entries(positive)) {
    if (value !== undefined) checkNumber("grpoLoss", `${name} > 0`, value, value > 0);
  }
  const shares = { "corrections.topEntropy": corrections.topEntropy, "covariance.share": covariance.share };
  for (const [name, value] of Object.entries(shares)) {
    if (value !== undefined) checkNumber("grpoLoss", `${name} in (0, 1]`, value, value > 0 && value <= 1);
  }
  const numbers = { entropyCoefficient, "corrections.offPolicyThreshold": corrections.offPolicyThreshold };
  for (const [name, value] of Object.entries(numbers)) {
    if (value !== undefined) checkNumber("grpoLoss", `${name} to be a number`, value, !Number.isNaN(value));
  }
}

const within = (group: string, options: object) =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [`${group}.${name}`, value as number]));

function checkCombinations(lossType: GrpoLossType, options: GrpoLossOptions, settings: LossSettings): void {
  if (settings.aggregation === "fixedLength" && options.maxLength === undefined)
    throw new ConfigError(`grpoLoss: ${lossType} expects maxLength, got none`);
  if (lossType === "cispo" && options.clipEpsilonHigh === undefined) {
    throw new ConfigError("grpoLoss: cispo expects clipEpsilonHigh, its cap on the ratio (5 is usual), got none");
  }
  if (lossType === "dro" && !(settings.dro.beta > 0 && Number.isFinite(settings.dro.beta))) {
    throw new ConfigError(
      `grpoLoss: dro expects dro.beta > 0, the weight of its penalty, got ${shown(options.dro?.beta)}`,
    );
  }
  const { sampler } = settings.corrections;
  if (lossType === "vespo" && sampler && sampler.level !== "token") {
    throw new ConfigError(
      'grpoLoss: vespo expects corrections.sampler.level "token": it makes the sequence\'s ratio itself',
    );
  }
}

function checkInputs(batch: GrpoBatch, { klCoefficient, entropyCoefficient, corrections }: LossSettings): void {
  const needs = [
    ["refLogProbs", "klCoefficient", klCoefficient !== 0],
    ["entropies", "entropyCoefficient", entropyCoefficient !== 0],
    ["entropies", "corrections.topEntropy", corrections.topEntropy !== undefined],
    ["samplingLogProbs", "corrections.sampler", corrections.sampler !== undefined],
  ] as const;
  for (const [rows, option, isNeeded] of needs) {
    if (isNeeded && batch[rows] === undefined)
      throw new ConfigError(`grpoLoss: expected ${rows}, because ${option} is set; got none`);
  }
}
