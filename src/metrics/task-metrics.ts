import type { Box, LabelDistribution, Polygon } from "../types";
import { accuracy } from "./accuracy";
import { jensenShannonDivergence } from "./jsd";
import { meanAveragePrecision, weightedAveragePrecision } from "./mean-average-precision";
import { meanIou, meanPolygonIou } from "./mean-iou";
import { type Metric, type Metrics, ownMetric } from "./metric";

const divergence = (unit: "nats" | "bits"): Metric<LabelDistribution> =>
  ownMetric("JSD", ({ truth, prediction }) => jensenShannonDivergence(truth, prediction, { unit }), true);

/**
 * The paper's metrics for classification: mean JSD (Eq. 11, nats), the same in bits, accuracy of the likeliest label.
 */
export const classificationMetrics = {
  jsd: divergence("nats"),
  jsdBits: divergence("bits"),
  accuracy,
} as const satisfies Metrics<LabelDistribution>;

const precision = (of: "ap50" | "ap"): Metric<readonly Box[]> =>
  Object.assign((outcomes: Parameters<Metric<readonly Box[]>>[0]) => meanAveragePrecision(outcomes)[of], {
    weighted: (outcomes: Parameters<Metric<readonly Box[]>>[0]) => weightedAveragePrecision(outcomes, of),
  });

/** The paper's metric for detection, mAP at IoU 0.5; COCO's own mAP; mean matched IoU. */
export const detectionMetrics = {
  ap50: precision("ap50"),
  ap: precision("ap"),
  meanIou,
} as const satisfies Metrics<readonly Box[]>;

/** The metric for segmentation: mean matched IoU of outlines. */
export const segmentationMetrics = { meanIou: meanPolygonIou } as const satisfies Metrics<readonly Polygon[]>;
