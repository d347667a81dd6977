/** Advantages and losses of GRPO and its kin, as numbers and gradients: pure functions. */
export {
  type GrpoAdvantageOptions,
  type GrpoAdvantages,
  grpoAdvantages,
  type RewardValue,
} from "./advantage/advantage";
export { type GaeOptions, gaeAdvantages } from "./advantage/gae";
export type { GrpoBatch } from "./loss/batch";
export { penaliseKl } from "./loss/kl";
export { type GrpoLoss, type GrpoLossOptions, type GrpoLossType, grpoLoss } from "./loss/loss";
export type { GrpoMetrics } from "./loss/metrics";
export { type GrpoSettings, grpoPresets, verlEstimators } from "./presets";
