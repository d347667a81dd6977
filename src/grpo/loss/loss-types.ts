import type { AggregationName } from "./aggregation";
import type { ImportanceLevel } from "./importance";
import type { ObjectiveName } from "./objective";

/** A published loss: a token's contribution, how tokens add up, and the level of the ratio. */
export interface LossType {
  readonly objective: ObjectiveName;
  readonly aggregation: AggregationName;
  /** The default of the option `importanceLevel` ("token"). */
  readonly importanceLevel?: ImportanceLevel;
  /** The treatment of tokens whose covariance with the advantage is high. */
  readonly covariance?: "drop" | "penalise";
  /** verl's bounds of log-ratios, applied with `boundLogRatios` ([−20, 20]). */
  readonly logRatioBounds?: readonly [low: number, high: number];
  /** Means over sequences count fully masked ones, whatever `skipEmpty` says. */
  readonly countsEmpty?: true;
}

const unbounded = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

export const lossTypes = {
  // As TRL has them.
  grpo: { objective: "dualClipped", aggregation: "sequenceMean" },
  bnpo: { objective: "dualClipped", aggregation: "tokenMean" },
  dr_grpo: { objective: "dualClipped", aggregation: "fixedLength" },
  dapo: { objective: "dualClipped", aggregation: "stepTokenMean" },
  luspo: { objective: "dualClipped", aggregation: "sequenceSum" },
  cispo: { objective: "cappedReinforce", aggregation: "stepTokenMean" },
  sapo: { objective: "softGate", aggregation: "sequenceMean" },
  vespo: { objective: "gammaWeighted", aggregation: "stepTokenMean" },
  rloo: { objective: "dualClipped", aggregation: "sequenceMean", importanceLevel: "product" },
  // As verl has them; its vanilla is bnpo, its sapo TRL's.
  gspo: {
    objective: "clipped",
    aggregation: "tokenMean",
    importanceLevel: "sequenceToken",
    logRatioBounds: [Number.NEGATIVE_INFINITY, 10],
  },
  geo_mean: {
    objective: "unclipped",
    aggregation: "sequenceMean",
    importanceLevel: "clippedSequence",
    logRatioBounds: unbounded,
    countsEmpty: true,
  },
  gpg: { objective: "reinforce", aggregation: "tokenMean" },
  cispo_verl: { objective: "clippedReinforce", aggregation: "tokenMean" },
  clip_cov: { objective: "clipped", aggregation: "tokenMean", covariance: "drop", logRatioBounds: unbounded },
  kl_cov: { objective: "unclipped", aggregation: "tokenMean", covariance: "penalise", logRatioBounds: unbounded },
  dppo_tv: { objective: "withinTotalVariation", aggregation: "tokenMean" },
  dppo_kl: { objective: "withinBinaryKl", aggregation: "tokenMean" },
  dro: { objective: "quadratic", aggregation: "tokenMean", logRatioBounds: unbounded },
} as const satisfies Readonly<Record<string, LossType>>;

/** A published loss, by the name that TRL or verl gives it. */
export type GrpoLossType = keyof typeof lossTypes;
