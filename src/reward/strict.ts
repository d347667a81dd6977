import type { Task } from "../task";
import { gatherEvidence, type Judgement, judgement, type RolloutParts } from "./reward";

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
  return judgement(evidence, evidence.leaks.length === 0 && evidence.format.ok ? evidence.similarity : 0);
}
