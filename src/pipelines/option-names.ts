import type { ResamplingOptions } from "../metrics/bootstrap";
import type { Names } from "../options";
import type { AnnotateOptions } from "./annotate";
import type { AuditCotsOptions } from "./audit-cots";
import type { CompareOptions } from "./compare-evaluations";
import type { EvaluateOptions } from "./evaluate";
import type { RiseCotOptions } from "./rise-cot";
import type { RiseR1Options } from "./rise-r1";

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
    temperature: true,
    topP: true,
    cotMaxTokens: true,
    reconstructionMaxTokens: true,
    reconstructionsPerCot: true,
  },
  credit: true,
  microBatch: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  heldOut: true,
  preflight: true,
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
    sampling: { temperature: true, topP: true, maxTokens: true },
    reward: true,
  },
  microBatch: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  heldOut: true,
  preflight: true,
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
  signal: true,
};

export const compareNames: Names<CompareOptions<unknown, never>> = { ...resamplingNames, metrics: true };

export const auditCotsNames: Names<AuditCotsOptions<unknown>> = {
  ...resamplingNames,
  task: true,
  dataset: true,
  cots: true,
  backend: true,
  maxTokens: true,
  batchSize: true,
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
