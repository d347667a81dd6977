import { ConfigError } from "rise-ts";

/** The examples to train on: n (of each class, where there are classes), or all. */
export type Shots = 4 | 16 | "full";

/** Rewards of stage 1: the paper's, and its ablations (Table 5). */
export type RewardName = "paper" | "similarityOnly" | "withoutLeakGate" | "withoutFormatGate";

/** One way to arrive at a model: a row of a table, before it meets data. */
export interface Arm {
  /** The model that answers in the end: the one that is trained, also after it was tempted to leak, or GPT-4o as it is. */
  readonly model: "student" | "tempted" | "gpt-4o";
  /** Who wrote the cots of SFT: RISE-CoT; the base model or GPT-4o, best of G (Table 3); nobody, so that SFT teaches bare answers. */
  readonly cots: "rise" | "base" | "gpt-4o" | "none";
  /** The options of stage 1. */
  readonly reward: RewardName;
  /** On D_RISE, on D_high = {r ≥ τ}, or not at all. */
  readonly sft: "full" | "high" | "none";
  readonly rft: boolean;
  readonly shots: Shots;
  /** τ */
  readonly threshold: number;
}

export const rise: Arm = {
  model: "student",
  cots: "rise",
  reward: "paper",
  sft: "high",
  rft: true,
  shots: "full",
  threshold: 0.75,
};
/** RISE on a base that is tempted to leak, so that the rewards of Table 5 have something to catch. */
export const tempted: Arm = { ...rise, model: "tempted" };
export const baseModel: Arm = { ...rise, cots: "none", sft: "none", rft: false };
export const gpt4o: Arm = { ...baseModel, model: "gpt-4o" };
/** The paper's SFT "only predicts answers". */
export const answersOnly: Arm = { ...rise, cots: "none", sft: "full", rft: false };
export const visualRft: Arm = { ...rise, cots: "none", sft: "none" };

export const isTrained = ({ sft, rft }: Arm): boolean => rft || sft !== "none";

/** @throws ConfigError for a combination that says nothing */
export function checkArm(arm: Arm): void {
  const { model, cots, sft } = arm;
  const expected = (what: string) => new ConfigError(`expected ${what}, got the arm ${JSON.stringify(arm)}`);
  if (model === "gpt-4o" && (isTrained(arm) || cots !== "none")) throw expected("GPT-4o as it is, not trained");
  if (cots !== "none" && sft === "none") throw expected("SFT on the cots that are made, or none of either");
  if (cots === "none" && sft === "high") throw expected("cots, for SFT on the best of them");
  if (model === "tempted" && cots !== "rise")
    throw expected("thoughts of its own from a model that is tempted to leak");
  if (!isTrained(arm) && arm.shots !== "full") throw expected("a model that is trained, where examples are counted");
}
