import type { ResamplingOptions } from "../metrics/bootstrap";
import type { Names } from "../options";
import type { AnnotateOptions } from "./annotate";
import type { AuditCotsOptions } from "./audit-cots";
import type { CompareOptions } from "./compare-evaluations";
import type { EvaluateOptions } from "./evaluate";
import type { FailureOptions } from "./failures";
import type { RiseCotOptions } from "./rise-cot";
import type { RiseR1Options } from "./rise-r1";
import type { SamplingOptions } from "./sample-rollouts";

const samplingNames: Names<SamplingOptions> = { temperature: true, topP: true, topK: true, repetitionPenalty: true };

const failureNames: Names<FailureOptions> = { onFailure: true, failureLimit: true };

export const riseCotNames: Names<RiseCotOptions<unknown>> = {
  task: true,
  dataset: true,
  trainer: true,
  backend: true,
  reward: true,
  groupSize: true,
  examplesPerStep: true,
  steps: true,
  grpo: true,
  learningRate: true,
  threshold: true,
  sampling: {
    ...samplingNames,
    cotMaxTokens: true,
    reconstructionMaxTokens: true,
    reconstruction: samplingNames,
    reconstructionsPerCot: true,
  },
  credit: true,
  microBatch: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  heldOut: true,
  preflight: true,
  ...failureNames,
  onOmission: true,
  finalPass: true,
  seed: true,
  runDir: true,
  resume: true,
  stop: true,
  signal: true,
};

export const riseR1Names: Names<RiseR1Options<unknown>> = {
  task: true,
  dataset: true,
  cots: true,
  trainer: true,
  threshold: true,
  sft: { steps: true, epochs: true, batchSize: true, learningRate: true, lossType: true },
  rft: {
    steps: true,
    groupSize: true,
    examplesPerStep: true,
    learningRate: true,
    grpo: true,
    sampling: { ...samplingNames, maxTokens: true },
    reward: true,
  },
  microBatch: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  heldOut: true,
  preflight: true,
  ...failureNames,
  onOmission: true,
  seed: true,
  runDir: true,
  resume: true,
  stop: true,
  signal: true,
};

const resamplingNames: Names<ResamplingOptions> = { level: true, resamples: true, seed: true };

export const evaluateNames: Names<EvaluateOptions<unknown, never>> = {
  ...resamplingNames,
  task: true,
  dataset: true,
  backend: true,
  metrics: true,
  maxTokens: true,
  batchSize: true,
  concurrency: true,
  runDir: true,
  resume: true,
  ...failureNames,
  retryFailed: true,
  signal: true,
};

export const compareNames: Names<CompareOptions<unknown, never>> = {
  ...resamplingNames,
  metrics: true,
  onFailure: true,
};

export const auditCotsNames: Names<AuditCotsOptions<unknown>> = {
  ...resamplingNames,
  task: true,
  dataset: true,
  cots: true,
  backend: true,
  maxTokens: true,
  batchSize: true,
  ...failureNames,
  signal: true,
};

export const annotateNames: Names<AnnotateOptions<unknown>> = {
  task: true,
  image: true,
  backend: true,
  subject: true,
  maxTokens: true,
  signal: true,
};
