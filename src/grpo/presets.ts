import type { GrpoAdvantageOptions } from "./advantage";
import type { GrpoLossOptions } from "./loss";

/** Everything that tells one published GRPO from another. A plain value: spread it and change what you like. */
export interface GrpoSettings {
  readonly advantages: Omit<GrpoAdvantageOptions, "groupSize">;
  readonly loss: GrpoLossOptions;
}

export const grpoPresets = {
  /** RISE, Eqs. 7 and 10: GRPO as first published. β = 0 and G = 8 are from the published scripts; the paper does not say. */
  "rise-paper": {
    advantages: { scale: "group" },
    loss: { lossType: "grpo", clipEpsilon: 0.2, klCoefficient: 0 },
  },
  /** The defaults of TRL 1.13: every token of an optimiser step counts the same, and KL, where used, carries the ratio. */
  trl: {
    advantages: { scale: "group", aggregation: "sum_then_normalize" },
    loss: { lossType: "dapo", clipEpsilon: 0.2, klCoefficient: 0, klEstimator: "importanceWeightedK3" },
  },
} as const satisfies Readonly<Record<string, GrpoSettings>>;
