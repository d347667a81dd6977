export type { AnswerRollout, RatedCot, Reward, Rollout } from "./rollouts";

import { type RiseCotEvent, type RiseCotOptions, type RiseCotResult, riseCot as runRiseCot } from "./rise/rise-cot";
import { type RiseR1Event, type RiseR1Options, type RiseR1Result, riseR1 as runRiseR1 } from "./rise/rise-r1";
import type { Run } from "./runs/run";

/** Stage 1 (see `RiseCotOptions`); with neither trainer nor backend, it trains `onnxTrainer()`. */
export function riseCot<A>(options: RiseCotOptions<A>): Run<RiseCotEvent<A>, RiseCotResult<A>> {
  return runRiseCot(options?.trainer || options?.backend ? options : { ...options, trainer: defaultTrainer });
}

/** Stage 2 (see `RiseR1Options`); without a trainer, it trains `onnxTrainer()`. */
export function riseR1<A>(
  options: Omit<RiseR1Options<A>, "trainer"> & Partial<Pick<RiseR1Options<A>, "trainer">>,
): Run<RiseR1Event<A>, RiseR1Result<A>> {
  return runRiseR1({ ...options, trainer: options?.trainer ?? defaultTrainer });
}

/** Loaded when a run asks for it, so that importing the library loads nothing native. */
const defaultTrainer = async () => (await import("./trainers/onnx")).onnxTrainer();

export type { GenerateOptions, VlmBackend } from "./backend";
export { checkAnswerFormat, checkCotFormat } from "./checks/format";
export { findLeaks, type LeakKind } from "./checks/leakage";
export { formatThinkAnswer, parseThinkAnswer, type ThinkAnswer } from "./checks/think-answer";
export { bestRollout, type FilterOptions, selectHighQuality } from "./cots/select";
export {
  BackendError,
  CheckpointError,
  ConfigError,
  DataError,
  type FailureScope,
  RiseError,
  ShapeError,
  TrainingError,
  UnsupportedOpError,
} from "./errors";
export { type Annotated, type AnnotateOptions, annotate } from "./evaluation/annotate";
export { type AnnotationAudit, auditAnnotations, type Judged } from "./evaluation/audit-annotations";
export {
  type AuditCotsOptions,
  auditCots,
  type CotAudit,
  type CotsAudit,
  type Estimate,
} from "./evaluation/audit-cots";
export { type CompareOptions, compareEvaluations, type MetricComparison } from "./evaluation/compare";
export { readEvaluation } from "./evaluation/directory";
export { type EvaluateOptions, evaluate } from "./evaluation/evaluate";
export type { Evaluation, EvaluationRecord } from "./evaluation/records";
export type { BestCheckpoint, Guard, RunEvent, StepMetrics } from "./events";
export {
  type GrpoAdvantageOptions,
  type GrpoAdvantages,
  grpoAdvantages,
  type RewardValue,
} from "./grpo/advantage/advantage";
export { type GaeOptions, gaeAdvantages } from "./grpo/advantage/gae";
export type { GrpoBatch } from "./grpo/loss/batch";
export { penaliseKl } from "./grpo/loss/kl";
export { type GrpoLoss, type GrpoLossOptions, type GrpoLossType, grpoLoss } from "./grpo/loss/loss";
export type { GrpoMetrics } from "./grpo/loss/metrics";
export { type GrpoSettings, grpoPresets, verlEstimators } from "./grpo/presets";
export { accuracy } from "./metrics/accuracy";
export {
  bootstrapInterval,
  type Counts,
  type Interval,
  type ResamplingOptions,
  weightedMean,
} from "./metrics/bootstrap";
export { formatRate } from "./metrics/format-rate";
export { jensenShannonDivergence, meanJensenShannonDivergence } from "./metrics/jsd";
export { type AveragePrecision, meanAveragePrecision } from "./metrics/mean-average-precision";
export { meanIou } from "./metrics/mean-iou";
export { type Metric, type Metrics, meanMetric, weightedMetric } from "./metrics/metric";
export type { Outcome } from "./metrics/outcome";
export { countRepairs } from "./metrics/repairs";
export { classificationMetrics, detectionMetrics, segmentationMetrics } from "./metrics/task-metrics";
export { type WinRate, winRate, winRateInterval } from "./metrics/win-rate";
export { classificationPrompts, detectionPrompts, paperPrompts } from "./prompts/paper";
export { imagePrompt, type PromptTexts } from "./prompts/template";
export {
  type AnswerRewardFunction,
  answerReward,
  paperReward,
  similarityOnly,
  withoutFormatGate,
  withoutLeakGate,
} from "./reward/paper";
export { referenceReward } from "./reward/reference";
export type { Judgement, RewardFunction, RolloutParts } from "./reward/reward";
export { strictReward } from "./reward/strict";
export { type OwnReward, sumRewards } from "./reward/sum";
export type { RiseCotRow } from "./rise/rise-cot";
export type { RftOptions, SftOptions } from "./rise/rise-r1";
export type { RolloutSamplingOptions, SamplingOptions } from "./rise/sample";
export { createRng, deriveSeed, type Rng } from "./rng";
export type { FailedExample, FailureOptions } from "./runs/examples/failures";
export type { LearningRate } from "./runs/learning-rate";
export type { Run } from "./runs/run";
export { stopOnInterrupt } from "./runs/stop-on-interrupt";
export { boxIou, convertBox, detectionSimilarity, matchBoxes } from "./similarity/boxes";
export { classificationSimilarity, klDivergence, roundDistribution } from "./similarity/distribution";
export { polygonIou, segmentationSimilarity } from "./similarity/polygons";
export type { Task } from "./task";
export { type ClassificationOptions, classification, oneHot } from "./tasks/classification";
export { type DetectionOptions, detection } from "./tasks/detection";
export { type SegmentationOptions, segmentation } from "./tasks/segmentation";
export type { BoxFormat } from "./tasks/text/box-notation";
export type { LossFn, Trainer, TrainSequence } from "./trainer";
export type {
  Box,
  BoxSpace,
  Completion,
  DrawnShape,
  Example,
  FinishReason,
  FormatCheck,
  ImageSource,
  LabelDistribution,
  Leak,
  MemoryEstimate,
  Message,
  Polygon,
  Prompt,
  PromptPart,
  RawImage,
  Workload,
} from "./types";
export type { RiseCotEvent, RiseCotOptions, RiseCotResult, RiseR1Event, RiseR1Options, RiseR1Result };
