/** Similarities S(A, Â) of labels, boxes and polygons: pure functions. */
export { boxIou, convertBox, detectionSimilarity, matchBoxes } from "./boxes";
export {
  type ClassificationSimilarityOptions,
  classificationSimilarity,
  klDivergence,
  roundDistribution,
} from "./distribution";
export type { Denominator, Match, SimilarityOptions } from "./matching";
export { polygonIou, segmentationSimilarity } from "./polygons";
