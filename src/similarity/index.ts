/** Similarities S(A, Â) of labels, boxes and polygons: pure functions. */
export { boxIou, convertBox, detectionSimilarity, matchBoxes } from "./boxes";
export { classificationSimilarity, klDivergence, roundDistribution } from "./distribution";
export { polygonIou, segmentationSimilarity } from "./polygons";
