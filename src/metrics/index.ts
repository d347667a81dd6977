/** The metrics of an evaluation, with confidence intervals: pure functions. */
export { accuracy } from "./accuracy";
export { bootstrapInterval, type Counts, type Interval, type ResamplingOptions, weightedMean } from "./bootstrap";
export { formatRate } from "./format-rate";
export { jensenShannonDivergence, meanJensenShannonDivergence } from "./jsd";
export { type AveragePrecision, meanAveragePrecision } from "./mean-average-precision";
export { meanIou } from "./mean-iou";
export { type MeanMetricOptions, type Metric, type Metrics, meanMetric, weightedMetric } from "./metric";
export type { Outcome } from "./outcome";
export { countRepairs } from "./repairs";
export { classificationMetrics, detectionMetrics, segmentationMetrics } from "./task-metrics";
export { type WinRate, winRate, winRateInterval } from "./win-rate";
