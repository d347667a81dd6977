/** Values that examples and pages use without making them: a reader has their own. */
import type { Rollout, Task, Trainer, VlmBackend } from "rise-ts";
import type { Graph, Value } from "rise-ts/onnx";
import type { Tensors } from "rise-ts/optim";
import type {
  Box,
  Completion,
  Evaluation,
  Example,
  LabelDistribution,
  Polygon,
  Prompt,
  RatedCot,
  RiseCotEvent,
  RiseCotResult,
  Run,
} from "rise-ts/types";

export { spawn } from "node:child_process";
export { writeFile } from "node:fs/promises";
export declare const labels: readonly string[];
export declare const model: string;
export declare const runDir: string;
export declare const token: string;
export declare const images: readonly string[];

export declare const task: Task<LabelDistribution>;
export declare const dataset: readonly Example<LabelDistribution>[];
export declare const train: readonly Example<LabelDistribution>[];
export declare const annotation: LabelDistribution;
export declare const truth: LabelDistribution;
export declare const box: Box;
export declare const polygon: Polygon;

export declare const backend: VlmBackend;
export declare const trainer: Trainer;
export declare const prompt: Prompt;
export declare const prompts: readonly [Prompt, Prompt];
export declare const completion: Completion;
export declare const run: Run<RiseCotEvent<LabelDistribution>, RiseCotResult<LabelDistribution>>;

export declare const cot: string;
export declare const reconstruction: string;
export declare const cots: readonly RatedCot<LabelDistribution>[];
export declare const rollouts: readonly Rollout<LabelDistribution>[];
export declare const group: readonly Rollout<LabelDistribution>[];
export declare const evaluation: Evaluation<LabelDistribution, string>;
export declare const outcomes: readonly { readonly truth: LabelDistribution; readonly prediction: LabelDistribution }[];
export declare const scores: readonly number[];

export declare const logProbs: readonly (readonly number[])[];
export declare const oldLogProbs: readonly (readonly number[])[];
export declare const advantages: readonly number[];
export declare const params: Tensors;
export declare const grads: Tensors;
export declare const g: Graph;
export declare const x: Value;
export declare const y: Value;
export declare const dy: Value;

/** Parts of a reader's own. */
export declare const myBackend: () => VlmBackend;
export declare const myTrainer: () => Promise<Trainer>;
export declare const momentum: (options: { readonly decay: number }) => import("rise-ts/optim").GradientTransform;
export declare const rating: (options: { readonly question: string }) => Task<number>;
export declare const readMugs: (path: string) => readonly Example<readonly Box[]>[];
