import { detectionSimilarity } from "../similarity/boxes";
import { segmentationSimilarity } from "../similarity/polygons";
import type { Box, Polygon } from "../types";
import { type Metric, meanMetric } from "./metric";

/**
 * Mean over examples of the matched IoU per box, Σ IoU / max(N_g, N_pred): as an evaluation it lets no box be free,
 * neither one missed nor one too many. An answer that does not parse counts 0.
 *
 * @throws DataError for no examples
 */
export const meanIou: Metric<readonly Box[]> = meanMetric("meanIou", ({ truth, prediction }) =>
  prediction === null ? 0 : detectionSimilarity(truth, prediction, { denominator: "max" }),
);

/** `meanIou` of outlines. */
export const meanPolygonIou: Metric<readonly Polygon[]> = meanMetric("meanPolygonIou", ({ truth, prediction }) =>
  prediction === null ? 0 : segmentationSimilarity(truth, prediction, { denominator: "max" }),
);
