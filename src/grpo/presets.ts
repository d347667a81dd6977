import type { GrpoAdvantageOptions } from "./advantage/advantage";
import type { GrpoLossOptions } from "./loss/loss";

/** The settings of a published GRPO. It is a plain value: spread it and change what you like. */
export interface GrpoSettings {
  readonly advantages: Omit<GrpoAdvantageOptions, "groupSize" | "groups" | "lengths">;
  readonly loss: GrpoLossOptions;
}

const verl = { stdEpsilon: 1e-6, alone: "reward" } as const satisfies GrpoAdvantageOptions;

/**
 * verl's advantage estimators under its names (`adv_estimator`), for `grpoAdvantages`. Its remax is `baseline:
 * greedyRewards` with `scale: "none"`; its gae is `gaeAdvantages`, which also has reinforce_plus_plus and remax for
 * rewards of single tokens.
 */
export const verlEstimators = {
  grpo: { ...verl, baseline: "mean", scale: "group" },
  grpo_vectorized: { ...verl, baseline: "mean", scale: "group", precision: "single" },
  grpo_passk: { ...verl, baseline: "runnerUp", scale: "group" },
  rloo: { ...verl, baseline: "leaveOneOut", scale: "none" },
  rloo_vectorized: { ...verl, baseline: "leaveOneOut", scale: "none", alone: "zero" },
  opo: { ...verl, baseline: "lengthWeightedMean", scale: "none" },
  gpg: { ...verl, baseline: "mean", scale: "nonzero" },
  reinforce_plus_plus: { ...verl, baseline: "none", scale: "tokens" },
  gdpo: { ...verl, aggregation: "normalize_then_sum", baseline: "mean", scale: "tokens" },
  reinforce_plus_plus_baseline: { ...verl, baseline: "mean", scale: "tokens" },
} as const satisfies Readonly<Record<string, GrpoAdvantageOptions>>;

/** The settings of published GRPOs, by name. */
export const grpoPresets = {
  /**
   * RISE, Eqs. 7 and 10: GRPO as first published. β = 0 and G = 8 are from the published scripts, as the paper does
   * not give them.
   */
  "rise-paper": {
    advantages: { scale: "group" },
    loss: { lossType: "grpo", clipEpsilon: 0.2, klCoefficient: 0 },
  },
  /**
   * The defaults of TRL 1.16: every token of an optimiser step counts the same, and KL, if used, carries the ratio.
   */
  trl: {
    advantages: { scale: "group", aggregation: "sum_then_normalize" },
    loss: { lossType: "dapo", clipEpsilon: 0.2, klCoefficient: 0, klEstimator: "k3", klImportanceWeight: true },
  },
  /**
   * The defaults of verl 0.9.1: every token of a batch counts the same, dual clip, and log-ratios and KL, if used, are
   * bounded. Its vanilla is `bnpo`, its cispo `cispo_verl`; its other losses have the same name here: `{
   * ...grpoPresets.verl.loss, lossType: "gspo" }`.
   */
  verl: {
    advantages: verlEstimators.grpo,
    loss: {
      lossType: "bnpo",
      clipEpsilon: 0.2,
      delta: 3,
      klCoefficient: 0,
      klEstimator: "clampedK3",
      skipEmpty: true,
      lengthEpsilon: 1e-8,
      boundLogRatios: true,
    },
  },
} as const satisfies Readonly<Record<string, GrpoSettings>>;
