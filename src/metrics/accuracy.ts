import { probabilityOf } from "../similarity/distribution";
import type { LabelDistribution } from "../types";
import { type Metric, ownMetric } from "./metric";

/**
 * Share of examples where the most probable label is the right one.
 *
 * A tie for the top scores as a random choice among the tied labels would on average, so that a uniform answer scores
 * 1 / N wherever the right label stands in the list. An answer without mass is wrong.
 *
 * @throws DataError for no examples
 * Source: RISE, "Acc" in Table 2.
 * @example
 * accuracy([{ truth: { cat: 1, dog: 0 }, prediction: { cat: 0.6, dog: 0.4 } }]); // 1
 */
export const accuracy: Metric<LabelDistribution> = ownMetric("accuracy", ({ truth, prediction }) => {
  if (prediction === null) return 0;
  const right = topLabels(truth);
  const predicted = topLabels(prediction);
  if (predicted.length === 0) return 0;
  return predicted.filter((label) => right.includes(label)).length / predicted.length;
});

function topLabels(distribution: LabelDistribution): string[] {
  const labels = Object.keys(distribution);
  const top = labels.reduce((max, label) => Math.max(max, probabilityOf(distribution, label)), 0);
  return top > 0 ? labels.filter((label) => probabilityOf(distribution, label) === top) : [];
}
