import type { Omission } from "./dataset";
import type { MemoryEstimate } from "./types";

/** One row of `metrics.jsonl`: what a step measured, under TRL's names where TRL has one. */
export interface StepMetrics {
  readonly stage: string;
  /** Steps finished in all stages, this one included. */
  readonly step: number;
  readonly [metric: string]: number | string;
}

/** The needs of a stage, measured before its first step. */
export interface PreflightReport {
  readonly stage: string;
  /**
   * The example that everything was tried with: the one with the longest prompt, or the first if the backend does not
   * count tokens.
   */
  readonly exampleId: string;
  /** Tokens of its prompt, images included. */
  readonly promptTokens?: number;
  /** Tokens that prompt and completion may have together. */
  readonly contextLength?: number;
  /** The memory that a step with such prompts takes, if it can be estimated. */
  readonly memory?: MemoryEstimate;
  /** Share of its completions in the right format, if the stage samples. */
  readonly formatRate?: number;
  /** The whole stage, if every example were like this one; an upper bound, since it includes compiling graphs. */
  readonly estimatedSeconds: number;
}

/**
 * The subject of a warning; docs/training.md says what each means. A NaN loss or gradient is not a warning: the run
 * stops.
 */
export type Guard =
  | "format"
  | "zero-std"
  | "clipped"
  | "leaking"
  | "flat-reward"
  | "repetition"
  | "standstill"
  | "diverging"
  | "damaged-checkpoint"
  | "failed-example";

/** The checkpoint whose policy earned the highest reward on held-out examples. */
export interface BestCheckpoint {
  readonly step: number;
  /** Its `eval_reward`. */
  readonly reward: number;
  readonly path: string;
}

/** An event of a run. `step` counts from 1 through all stages. */
export type RunEvent<Rollout, Result> =
  | {
      /** Every image was decoded once. */
      readonly type: "images-end";
      readonly images: number;
      /** Examples that the run leaves out, because their image cannot be read. */
      readonly leftOut: readonly Omission[];
      readonly seconds: number;
    }
  | { readonly type: "preflight-end"; readonly report: PreflightReport }
  | {
      readonly type: "rollout-end";
      readonly stage: string;
      readonly step: number;
      readonly rollout: Rollout;
      /** A, if the policy learned from the rollout. */
      readonly advantage?: number;
    }
  | {
      readonly type: "step-end";
      readonly stage: string;
      readonly step: number;
      /** Steps of all stages. */
      readonly totalSteps: number;
      readonly metrics: StepMetrics;
      readonly timeMs: number;
    }
  | { readonly type: "checkpoint-end"; readonly step: number; readonly path: string }
  | { readonly type: "warning"; readonly guard: Guard; readonly step: number; readonly message: string }
  | { readonly type: "run-end"; readonly result: Result };
