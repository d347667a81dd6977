import {
  EPSILON,
  klDivergence,
  meanSquaredError,
  probabilityOf,
  renormalise,
  total,
  unionOfLabels,
} from "../similarity/distribution";
import type { Task } from "../task";
import type { LabelDistribution } from "../types";
import { gatherEvidence, type Judgement, judgement, type RolloutParts } from "./reward";

/**
 * The reward as the authors' published classification code computes it, summed rather than gated:
 *
 * R = 0.1^[R has a decimal number] · exp(−½ KLD(A′ ‖ Â′) − ½ MSE(A, Â)) + exp(−|ΣÂ − 1|)
 *
 * A′ and Â′ have no value below 1e-10 and are then renormalised; the MSE is on raw values.
 *
 * It is for comparison with `paperReward`, and reaches 2. Departures from that code: a reconstruction that does not
 * parse, or has no mass, earns 0 instead of being compared as a vector of zeros.
 * @example
 * riseCot({ task: classification({ labels }), dataset, runDir, reward: referenceReward });
 */
export function referenceReward(
  task: Task<LabelDistribution>,
  parts: RolloutParts<LabelDistribution>,
): Judgement<LabelDistribution> {
  const evidence = gatherEvidence(task, parts);
  const { prediction, leaks } = evidence;
  const sum = prediction === null ? 0 : total(prediction);
  if (prediction === null || !(sum > 0 && sum < Number.POSITIVE_INFINITY)) return judgement(evidence, 0);
  const labels = unionOfLabels(parts.truth, prediction);
  const p = clipped(parts.truth, labels, "the annotation");
  const q = clipped(prediction, labels, "the reconstruction");
  const accuracy = Math.exp(-0.5 * klDivergence(p, q) - 0.5 * meanSquaredError(parts.truth, prediction));
  const penalty = leaks.some(({ kind }) => kind === "decimal") ? 0.1 : 1;
  return judgement(evidence, penalty * accuracy + Math.exp(-Math.abs(sum - 1)));
}

/** Raises every label to at least 1e-10, then renormalises. */
function clipped(values: LabelDistribution, labels: readonly string[], where: string): LabelDistribution {
  const entries = labels.map((label) => [label, Math.max(probabilityOf(values, label), EPSILON)] as const);
  return renormalise(Object.fromEntries(entries), where);
}
