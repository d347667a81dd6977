/** One row of `metrics.jsonl`: what a step measured, under TRL's names where TRL has one. */
export interface StepMetrics {
  readonly stage: string;
  /** Steps finished in all stages, this one included. */
  readonly step: number;
  readonly [metric: string]: number | string;
}

/** What a warning is about; docs/training.md says what each means. A loss or gradient that is not a number is no warning: the run stops. */
export type Guard = "zero-std" | "clipped" | "leaking" | "flat-reward" | "repetition" | "damaged-checkpoint";

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
