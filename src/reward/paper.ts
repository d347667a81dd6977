import { readAnswer } from "../checks/format";
import { checkArguments, fieldsKind, presentKind, textKind } from "../options/arguments";
import type { Task } from "../task";
import { gatherEvidence, type Judgement, judgement, type RolloutParts, taskKind } from "./reward";

/**
 * R(A, Â, R) = S(A, Â) · [L(R, A) = 0 ∧ F_CoT(R, Â) = 1]
 *
 * Source: RISE, Eq. 1.
 */
export function paperReward<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  const evidence = gatherEvidence(task, parts);
  return judgement(evidence, evidence.leaks.length === 0 && evidence.format.ok ? evidence.similarity : 0);
}

/** What stage 2 sampled for one example: a `<think>…</think><answer>…</answer>` completion. */
export interface AnswerParts<A> {
  readonly truth: A;
  readonly text: string;
}

/** A stage-2 reward. A bad completion earns 0 with a reason; it never throws for one. */
export type AnswerRewardFunction<A> = (task: Task<A>, parts: AnswerParts<A>) => Judgement<A> | Promise<Judgement<A>>;

/**
 * R_R1(A, Â, R) = S(A, Â) · [F_R1(R, Â) = 1], with no rule against leaks.
 *
 * Source: RISE, Eq. 9.
 */
export function answerReward<A>(task: Task<A>, parts: AnswerParts<A>): Judgement<A> {
  checkArguments(
    "answerReward",
    { task, parts },
    { task: taskKind, parts: fieldsKind({ truth: presentKind, text: textKind }) },
  );
  const { truth, text } = parts;
  const { format, prediction, repairs } = readAnswer(text, task);
  const similarity = prediction === null ? 0 : task.similarity(truth, prediction);
  return judgement({ prediction, similarity, leaks: [], format, repairs }, format.ok ? similarity : 0);
}

/** S(A, Â) alone. Source: RISE, Table 5, "Similarity-Only". */
export function similarityOnly<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  const evidence = gatherEvidence(task, parts);
  return judgement(evidence, evidence.similarity);
}

/** S(A, Â) · [F_CoT(R, Â) = 1]. Source: RISE, Table 5, "No-Leakage-Removal". */
export function withoutLeakGate<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  const evidence = gatherEvidence(task, parts);
  return judgement(evidence, evidence.format.ok ? evidence.similarity : 0);
}

/** S(A, Â) · [L(R, A) = 0]. Source: RISE, Table 5, "No-Format-Removal". */
export function withoutFormatGate<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  const evidence = gatherEvidence(task, parts);
  return judgement(evidence, evidence.leaks.length === 0 ? evidence.similarity : 0);
}
