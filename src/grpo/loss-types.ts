import type { AggregationName } from "./aggregation";
import type { ImportanceLevel } from "./importance";
import type { ObjectiveName } from "./objective";

/** A published loss: what a token contributes, how tokens add up, and what its ratio is of. */
export interface LossType {
  readonly objective: ObjectiveName;
  readonly aggregation: AggregationName;
  /** Unless `importanceLevel` says otherwise ("token"). */
  readonly importanceLevel?: ImportanceLevel;
  /** What becomes of tokens whose covariance with the advantage is high. */
  readonly covariance?: "drop" | "penalise";
}

export const lossTypes = {
  // As TRL has them.
  grpo: { objective: "clipped", aggregation: "sequenceMean" },
  bnpo: { objective: "clipped", aggregation: "tokenMean" },
  dr_grpo: { objective: "clipped", aggregation: "fixedLength" },
  dapo: { objective: "clipped", aggregation: "stepTokenMean" },
  luspo: { objective: "clipped", aggregation: "sequenceSum" },
  cispo: { objective: "cappedReinforce", aggregation: "stepTokenMean" },
  sapo: { objective: "softGate", aggregation: "sequenceMean" },
  vespo: { objective: "gammaWeighted", aggregation: "stepTokenMean" },
  rloo: { objective: "clipped", aggregation: "sequenceMean", importanceLevel: "product" },
  // As verl has them; its vanilla is bnpo, its sapo TRL's.
  gspo: { objective: "clipped", aggregation: "sequenceMean", importanceLevel: "sequence" },
  geo_mean: { objective: "unclipped", aggregation: "sequenceMean", importanceLevel: "clippedSequence" },
  gpg: { objective: "reinforce", aggregation: "tokenMean" },
  cispo_verl: { objective: "clippedReinforce", aggregation: "tokenMean" },
  clip_cov: { objective: "clipped", aggregation: "tokenMean", covariance: "drop" },
  kl_cov: { objective: "unclipped", aggregation: "tokenMean", covariance: "penalise" },
} as const satisfies Readonly<Record<string, LossType>>;

export type GrpoLossType = keyof typeof lossTypes;
