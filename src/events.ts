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

/** A stage as a run intends it. */
export interface StagePlan {
  readonly name: string;
  readonly steps: number;
  /** Whether its steps change the policy. */
  readonly trains: boolean;
  /** Rollouts of a step, if it samples any. */
  readonly rollouts?: number;
  /** Held-out examples that are measured at every checkpoint, if there are any. */
  readonly heldOut?: number;
}

/** How far the work under way is. */
export interface WorkProgress {
  readonly type: "progress";
  /** "model" is opened, "images" are decoded, "preflight" tries stages, and a step has "rollouts" and "held out". */
  readonly work: "model" | "images" | "preflight" | "rollouts" | "held out";
  readonly done: number;
  readonly total: number;
  /** The stage and the step that it belongs to, if there is one. */
  readonly stage?: string;
  readonly step?: number;
}

/** An event of a run. `step` counts from 1 through all stages. */
export type RunEvent<Rollout, Result> =
  /** Comes inside a step, if whoever iterates is waiting at that moment; who is busy misses it. */
  | WorkProgress
  | {
      /** Everything before the first step begins, or before preflight. */
      readonly type: "run-start";
      readonly stages: readonly StagePlan[];
      /** Steps from one checkpoint to the next; there is one at the end of a stage too. */
      readonly checkpointEvery: number;
      /** Steps that are done already, in the run that this one resumes. */
      readonly step: number;
      /** Whether stages are tried first. */
      readonly preflight: boolean;
    }
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
