import type { Omission } from "./dataset";
import type { MemoryEstimate } from "./types";

/** One row of `metrics.jsonl`: what a step measured, under TRL's names where TRL has one. */
export interface StepMetrics {
  readonly stage: string;
  /** Steps finished in all stages, this one included. */
  readonly step: number;
  readonly [metric: string]: number | string;
}

/** What a stage was found to need before its first step. */
export interface PreflightReport {
  readonly stage: string;
  /**
   * The example with the longest prompt, which everything was tried with; the first where the backend does not count
   * tokens.
   */
  readonly exampleId: string;
  /** Of its prompt, pictures included. */
  readonly promptTokens?: number;
  /** Tokens that prompt and completion may have together. */
  readonly contextLength?: number;
  /** What a step with such prompts takes, where that can be foreseen. */
  readonly memory?: MemoryEstimate;
  /** Share of its completions that had the right form, where the stage samples. */
  readonly formatRate?: number;
  /** The whole stage, were every example like this one; an upper bound, since graphs were compiled on the way. */
  readonly estimatedSeconds: number;
}

/**
 * What a warning is about; docs/training.md says what each means. A loss or gradient that is not a number is no
 * warning: the run stops.
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

/** The checkpoint whose policy earned most on held-out examples. */
export interface BestCheckpoint {
  readonly step: number;
  /** Its `eval_reward`. */
  readonly reward: number;
  readonly path: string;
}

/** What happens during a run. `step` counts from 1 through all stages. */
export type RunEvent<Rollout, Result> =
  | {
      /** Every image was decoded once. */
      readonly type: "images-end";
      readonly images: number;
      /** Examples whose image cannot be read, which the run does without. */
      readonly leftOut: readonly Omission[];
      readonly seconds: number;
    }
  | { readonly type: "preflight-end"; readonly report: PreflightReport }
  | {
      readonly type: "rollout-end";
      readonly stage: string;
      readonly step: number;
      readonly rollout: Rollout;
      /** A, where the rollout was learned from. */
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
