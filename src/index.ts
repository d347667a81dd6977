import { type RiseCotEvent, type RiseCotOptions, type RiseCotResult, riseCot as runRiseCot } from "./rise/rise-cot";
import { type RiseR1Event, type RiseR1Options, type RiseR1Result, riseR1 as runRiseR1 } from "./rise/rise-r1";
import type { Run } from "./runs/run";

/**
 * Runs stage 1 (see `RiseCotOptions`); with neither trainer nor backend, it trains `onnxTrainer()`.
 * @example
 * const run = riseCot({ task: classification({ labels }), dataset, steps: 100, runDir: "runs/cot" });
 * const { dataset: cots } = await run;
 */
export function riseCot<A>(options: RiseCotOptions<A>): Run<RiseCotEvent<A>, RiseCotResult<A>> {
  return runRiseCot(options?.trainer || options?.backend ? options : { ...options, trainer: defaultTrainer });
}

/**
 * Runs stage 2 (see `RiseR1Options`); without a trainer, it trains `onnxTrainer()`.
 * @example
 * for await (const event of riseR1({ task, dataset, cots, runDir: "runs/r1" })) console.log(event.type);
 */
export function riseR1<A>(
  options: Omit<RiseR1Options<A>, "trainer"> & Partial<Pick<RiseR1Options<A>, "trainer">>,
): Run<RiseR1Event<A>, RiseR1Result<A>> {
  return runRiseR1({ ...options, trainer: options?.trainer ?? defaultTrainer });
}

/** Loaded when a run asks for it, so that importing the library loads nothing native. */
const defaultTrainer = async () => (await import("./trainers/onnx")).onnxTrainer();

export { annotateDataset } from "./annotation/annotate-dataset";
export { findLeaks } from "./checks/leakage";
export { selectHighQuality } from "./cots/select";
export { BackendError, CheckpointError, ConfigError, DataError, RiseError, TrainingError } from "./errors";
export { annotate } from "./evaluation/annotate";
export { auditAnnotations } from "./evaluation/audit-annotations";
export { auditCots } from "./evaluation/audit-cots";
export { compareEvaluations } from "./evaluation/compare";
export { readEvaluation } from "./evaluation/directory";
export { evaluate } from "./evaluation/evaluate";
export { grpoPresets } from "./grpo/presets";
export { classificationMetrics, detectionMetrics, segmentationMetrics } from "./metrics/task-metrics";
export { imagePrompt } from "./prompts/template";
export type {
  AnnotateOptions,
  Box,
  Completion,
  EvaluateOptions,
  Evaluation,
  Example,
  ImageSource,
  LabelDistribution,
  Leak,
  Polygon,
  Prompt,
  RatedCot,
  RawImage,
  RewardFunction,
  RiseCotEvent,
  RiseCotOptions,
  RiseCotResult,
  RiseR1Event,
  RiseR1Options,
  RiseR1Result,
  Rollout,
  Run,
  RunEvent,
  StepMetrics,
  Task,
  Trainer,
  VlmBackend,
} from "./public-types";
export { answerReward, paperReward } from "./reward/paper";
export { sumRewards } from "./reward/sum";
export { createRng, deriveSeed } from "./rng";
export { stopOnInterrupt } from "./runs/stop-on-interrupt";
export { classification, oneHot } from "./tasks/classification";
export { detection } from "./tasks/detection";
export { segmentation } from "./tasks/segmentation";
