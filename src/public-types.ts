/** `rise-ts/types`: every type that the root does not name, and those that it does. */
export type { AnnotateDatasetOptions } from "./annotation/annotate-dataset-options";
export type { AnnotateDatasetEvent, AnnotateDatasetResult } from "./annotation/events";
export type { ImagesToAnnotate, UnannotatedImage } from "./annotation/images";
export type { ImageAnnotation } from "./annotation/rows";
export type { AnnotationStream } from "./annotation/store";
export type * from "./backend";
export type * from "./dataset";
export type { Annotated, AnnotateOptions } from "./evaluation/annotate";
export type { AnnotationAudit, AuditAnnotationsOptions, Judged } from "./evaluation/audit-annotations";
export type { AuditCotsOptions, CotAudit, CotsAudit, Estimate } from "./evaluation/audit-cots";
export type { CompareOptions, MetricComparison } from "./evaluation/compare";
export type { EvaluateOptions } from "./evaluation/evaluate";
export type { Evaluation, EvaluationRecord, OwnMetric } from "./evaluation/records";
export type { AnswerOptions } from "./evaluation/spec-parts";
export type * from "./events";
export type { RewardFunction } from "./reward/reward";
export type { RiseCotEvent, RiseCotOptions, RiseCotResult, RiseCotRow } from "./rise/rise-cot";
export type {
  RehearsalOptions,
  RehearsalRow,
  RftOptions,
  RiseR1Event,
  RiseR1Options,
  RiseR1Result,
  SftOptions,
} from "./rise/rise-r1";
export type { AnswerSamplingOptions } from "./rise/rise-r1-options";
export type { RolloutSamplingOptions, SamplingOptions } from "./rise/sampling-options";
export type { Rng } from "./rng";
export type * from "./rollouts";
export type { DisposableOption } from "./runs/disposable";
export type { FailedExample, FailureOptions } from "./runs/examples/failures";
export type { LearningRate } from "./runs/learning-rate";
export type { Run } from "./runs/run";
export type * from "./task";
export type { ClassificationOptions } from "./tasks/classification";
export type { DetectionOptions } from "./tasks/detection";
export type { SegmentationOptions } from "./tasks/segmentation";
export type { BoxFormat } from "./tasks/text/box-notation";
export type { Reading } from "./tasks/text/lenient";
export type { LogOption } from "./terminal/log";
export type * from "./trainer";
export type * from "./types";
