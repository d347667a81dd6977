import { readAnswer } from "../checks/format";
import { checkArguments, fieldsKind, presentKind, textKind } from "../options/arguments";
import type { Task } from "../task";
import { type Evidence, gatherEvidence, type Judgement, judgement, type RolloutParts, taskKind } from "./reward";

/**
 * The stage-1 reward: R(A, Â, R) = S(A, Â) · [L(R, A) = 0 ∧ F_CoT(R, Â) = 1]
 *
 * Source: RISE, Eq. 1.
 * @example
 * paperReward(task, { truth, cot, reconstruction: "{'joy': 0.9, 'fear': 0.1}" }).reward.reward;
 */
export function paperReward<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  return gated(gatherEvidence(task, parts), ({ leaks, format }) => leaks.length === 0 && format.ok);
}

/** The similarity of evidence that passes, else 0. */
const gated = <A>(evidence: Evidence<A>, passes: (evidence: Evidence<A>) => boolean): Judgement<A> =>
  judgement(evidence, passes(evidence) ? evidence.similarity : 0);

/** A sample of stage 2 for one example: a `<think>…</think><answer>…</answer>` completion. */
export interface AnswerParts<A> {
  readonly truth: A;
  readonly text: string;
}

/** A stage-2 reward. A bad completion earns 0 with a reason; it never throws for one. */
export type AnswerRewardFunction<A> = (task: Task<A>, parts: AnswerParts<A>) => Judgement<A> | Promise<Judgement<A>>;

/**
 * The stage-2 reward, without a rule against leaks: R_R1(A, Â, R) = S(A, Â) · [F_R1(R, Â) = 1]
 *
 * Source: RISE, Eq. 9.
 * @example
 * answerReward(task, { truth, text: "<think>Rain.</think><answer>[]</answer>" }).reward.reward;
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
  return gated({ prediction, similarity, leaks: [], format, repairs }, ({ format }) => format.ok);
}

/**
 * The similarity alone: S(A, Â). Source: RISE, Table 5, "Similarity-Only".
 * @example
 * riseCot({ task, dataset, runDir, reward: similarityOnly });
 */
export function similarityOnly<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  return gated(gatherEvidence(task, parts), () => true);
}

/**
 * `paperReward` without its rule against leaks: S(A, Â) · [F_CoT(R, Â) = 1].
 * Source: RISE, Table 5, "No-Leakage-Removal".
 * @example
 * riseCot({ task, dataset, runDir, reward: withoutLeakGate });
 */
export function withoutLeakGate<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  return gated(gatherEvidence(task, parts), ({ format }) => format.ok);
}

/**
 * `paperReward` without the check of the format: S(A, Â) · [L(R, A) = 0]. Source: RISE, Table 5, "No-Format-Removal".
 * @example
 * riseCot({ task, dataset, runDir, reward: withoutFormatGate });
 */
export function withoutFormatGate<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  return gated(gatherEvidence(task, parts), ({ leaks }) => leaks.length === 0);
}

/**
 * `paperReward` that also counts label names in the cot as leaks: "a joyful scene" tells the reconstruction as much as
 * "joy: 0.9".
 *
 * Departure from RISE, Eq. 1, which only forbids numbers.
 * @example
 * riseCot({ task, dataset, runDir, reward: strictReward });
 */
export function strictReward<A>(task: Task<A>, parts: RolloutParts<A>): Judgement<A> {
  const evidence = gatherEvidence(task, parts, { strict: true });
  return gated(evidence, ({ leaks, format }) => leaks.length === 0 && format.ok);
}
