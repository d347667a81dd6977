import { checkArguments } from "../options/arguments";
import { boxesKind, iouOfBoxes } from "../similarity/boxes";
import { matchedSimilarity } from "../similarity/matching";
import { iouOfPolygons, polygonsKind } from "../similarity/polygons";
import type { Box, Polygon } from "../types";
import { type Metric, ownMetric } from "./metric";

/**
 * Mean over examples of the matched IoU per box, Σ IoU / max(N_g, N_pred): a missed box costs as much as one too many.
 * An answer that does not parse counts 0.
 *
 * @throws DataError for no examples
 * @example
 * meanIou([{ truth: [box], prediction: [box, box] }]); // 0.5
 */
export const meanIou: Metric<readonly Box[]> = ownMetric("meanIou", ({ truth, prediction }) => {
  checkArguments("meanIou", { truth }, { truth: boxesKind });
  if (prediction === null) return 0;
  checkArguments("meanIou", { prediction }, { prediction: boxesKind });
  return matchedSimilarity(truth, prediction, iouOfBoxes, "max");
});

/** `meanIou` of outlines. */
export const meanPolygonIou: Metric<readonly Polygon[]> = ownMetric("meanPolygonIou", ({ truth, prediction }) => {
  checkArguments("meanPolygonIou", { truth }, { truth: polygonsKind });
  if (prediction === null) return 0;
  checkArguments("meanPolygonIou", { prediction }, { prediction: polygonsKind });
  return matchedSimilarity(truth, prediction, iouOfPolygons, "max");
});
