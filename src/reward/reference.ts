import { klDivergence, probabilityOf, renormalise, total, unionOfLabels } from "../similarity/distribution";
import type { Task } from "../tasks/task";
import type { LabelDistribution } from "../types";
import { gatherEvidence, type Judgement, judgement, type RolloutParts } from "./reward";

/**
 * The reward as the authors' published classification code computes it, summed rather than gated:
 *
 * R = 0.1^[R has a decimal number] · exp(−½ KLD − ½ MSE) + exp(−|ΣÂ − 1|), KLD and MSE on renormalised vectors
 *
 * For comparison with `paperReward`; it reaches 2. Departures from that code: a reconstruction that does not parse, or has no
 * mass, earns 0 instead of being compared as a vector of zeros.
 */
export function referenceReward(
  task: Task<LabelDistribution>,
  parts: RolloutParts<LabelDistribution>,
): Judgement<LabelDistribution> {
  const evidence = gatherEvidence(task, parts);
  const { prediction, leaks } = evidence;
  const sum = prediction === null ? 0 : total(prediction);
  if (prediction === null || !(sum > 0 && sum < Number.POSITIVE_INFINITY)) return judgement(evidence, 0);
  const p = renormalise(parts.truth, "the annotation");
  const q = renormalise(prediction, "the reconstruction");
  const accuracy = Math.exp(-0.5 * klDivergence(p, q) - 0.5 * meanSquaredError(p, q));
  const penalty = leaks.some(({ kind }) => kind === "decimal") ? 0.1 : 1;
  return judgement(evidence, penalty * accuracy + Math.exp(-Math.abs(sum - 1)));
}

function meanSquaredError(p: LabelDistribution, q: LabelDistribution): number {
  const labels = unionOfLabels(p, q);
  return (
    labels.reduce((sum, label) => sum + (probabilityOf(p, label) - probabilityOf(q, label)) ** 2, 0) / labels.length
  );
}
