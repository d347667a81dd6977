export type { AnswerRollout, RatedCot, Reward, Rollout } from "./rollouts";

import {
  type RiseCotEvent,
  type RiseCotOptions,
  type RiseCotResult,
  riseCot as runRiseCot,
} from "./pipelines/rise-cot";
import { type RiseR1Event, type RiseR1Options, type RiseR1Result, riseR1 as runRiseR1 } from "./pipelines/rise-r1";
import type { Run } from "./pipelines/run";

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

export { type AnnotationAudit, auditAnnotations, type Judged } from "./audit";
export type { GenerateOptions, VlmBackend } from "./backends/backend";
export { checkAnswerFormat, checkCotFormat } from "./checks/format";
export { findLeaks, type LeakKind } from "./checks/leakage";
export { formatThinkAnswer, parseThinkAnswer, type ThinkAnswer } from "./checks/think-answer";
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
export { bestRollout, type FilterOptions, selectHighQuality } from "./filter";
export { type GrpoAdvantageOptions, type GrpoAdvantages, grpoAdvantages, type RewardValue } from "./grpo/advantage";
export type { GrpoBatch } from "./grpo/batch";
export { type GaeOptions, gaeAdvantages } from "./grpo/gae";
export { penaliseKl } from "./grpo/kl";
export { type GrpoLoss, type GrpoLossOptions, type GrpoLossType, grpoLoss } from "./grpo/loss";
export type { GrpoMetrics } from "./grpo/metrics";
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
export { type Annotated, type AnnotateOptions, annotate } from "./pipelines/annotate";
export { type AuditCotsOptions, auditCots, type CotAudit, type CotsAudit, type Estimate } from "./pipelines/audit-cots";
export { type CompareOptions, compareEvaluations, type MetricComparison } from "./pipelines/compare-evaluations";
export { type EvaluateOptions, evaluate } from "./pipelines/evaluate";
export { readEvaluation } from "./pipelines/evaluation-directory";
export type { Evaluation, EvaluationRecord } from "./pipelines/evaluation-records";
export type { BestCheckpoint, Guard, RunEvent, StepMetrics } from "./pipelines/events";
export type { FailedExample, FailureOptions } from "./pipelines/failures";
export { stopOnInterrupt } from "./pipelines/interrupt";
export type { LearningRate } from "./pipelines/learning-rate";
export type { RiseCotRow } from "./pipelines/rise-cot";
export type { RftOptions, SftOptions } from "./pipelines/rise-r1";
export type { Run } from "./pipelines/run";
export type { RolloutSamplingOptions, SamplingOptions } from "./pipelines/sample-rollouts";
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
export { createRng, deriveSeed, type Rng } from "./rng";
export { boxIou, convertBox, detectionSimilarity, matchBoxes } from "./similarity/boxes";
export { classificationSimilarity, klDivergence, roundDistribution } from "./similarity/distribution";
export { polygonIou, segmentationSimilarity } from "./similarity/polygons";
export type { BoxFormat } from "./tasks/box-notation";
export { type ClassificationOptions, classification, oneHot } from "./tasks/classification";
export { type DetectionOptions, detection } from "./tasks/detection";
export { type SegmentationOptions, segmentation } from "./tasks/segmentation";
export type { Task } from "./tasks/task";
export type { LossFn, Trainer, TrainSequence } from "./trainers/trainer";
export type {
  Box,
  BoxSpace,
  Completion,
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
