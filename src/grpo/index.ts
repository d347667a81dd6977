/** Advantages and losses of GRPO and its kin, as numbers and gradients: pure functions. */
export {
  type GrpoAdvantageOptions,
  type GrpoAdvantages,
  grpoAdvantages,
  type RewardValue,
} from "./advantage/advantage";
export type { BaselineName } from "./advantage/baseline";
export { type GaeOptions, gaeAdvantages } from "./advantage/gae";
export type { AggregationName } from "./loss/aggregation";
export type { GrpoBatch, Rows } from "./loss/batch";
export type { CorrectionOptions, SamplerCorrection } from "./loss/corrections";
export type { CovarianceOptions } from "./loss/covariance";
export type { ImportanceLevel } from "./loss/importance";
export { type KlEstimatorName, penaliseKl } from "./loss/kl";
export { type GrpoLoss, type GrpoLossOptions, type GrpoLossType, grpoLoss } from "./loss/loss";
export type { GrpoMetrics } from "./loss/metrics";
export type { DroOptions, SapoOptions, VespoOptions } from "./loss/objective";
export { type GrpoSettings, grpoPresets, verlEstimators } from "./presets";
