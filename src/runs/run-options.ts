import type { Omission } from "../dataset";
import { refuseIdle } from "../options/arguments";
import { callback, count, flag, given, having, number, type Settings, seed, specOf, text } from "../options/spec";
import type { Task } from "../task";
import { type LogOption, logOption } from "../terminal/log";
import type { Example } from "../types";
import { taskOption } from "./examples/check-examples";
import { type FailureOptions, failureSpec } from "./examples/failures";

/** The options that both stages have. */
export interface RunOptions<A> extends FailureOptions {
  /** The kind of annotation, and its prompts. */
  readonly task: Task<A>;
  /** The examples to learn from. */
  readonly dataset: readonly Example<A>[];
  /** τ: cots with at least this reward are worth imitating (0.75). */
  readonly threshold?: number;
  /** Sequences in one forward and backward pass; without it, all sequences of a step. */
  readonly microBatch?: number;
  /** Steps from one checkpoint to the next (50). */
  readonly checkpointEvery?: number;
  /** Newest checkpoints that are kept, beside the best one (3). */
  readonly keepCheckpoints?: number;
  /**
   * Examples to measure the policy with at every checkpoint, by one greedy rollout each. The best `eval_reward` makes
   * the best checkpoint.
   */
  readonly heldOut?: readonly Example<A>[];
  /**
   * Decodes every image and tries every stage on one example before the first step (true). A run that must fail then
   * fails at once, and `preflight.html` shows the examples.
   */
  readonly preflight?: boolean;
  /**
   * Receives every example whose image cannot be read, and the run leaves it out. Without it, such an image ends the
   * run before its first step. With `preflight: false` no image is read early, and `onFailure` decides.
   */
  readonly onOmission?: (omission: Omission) => void;
  /** Decides everything that is random (0). */
  readonly seed?: number;
  /** The folder of the run's files. Without it, nothing is written. */
  readonly runDir?: string;
  /** Resumes the run in `runDir`, if there is one (false). */
  readonly resume?: boolean;
  /**
   * Finishes the step under way, writes a checkpoint, and rejects with this signal's reason: `stopOnInterrupt` makes
   * one.
   */
  readonly stop?: AbortSignal;
  /**
   * Whether Ctrl-C, SIGTERM and a hang-up do the same and then end the process, with exit code 130 for Ctrl-C and
   * without a stack (true). With `stop`, or when the program listens to the signal itself, the run leaves it alone.
   */
  readonly handleInterrupts?: boolean;
  /**
   * Whether an awaited run says on stderr how it goes, and its warnings; a function receives the lines instead. A run
   * that is iterated only does with true or a function. RISE_LOG=off turns the default off.
   */
  readonly log?: LogOption;
  /** Stops as soon as possible. The steps since the last checkpoint are lost. */
  readonly signal?: AbortSignal;
}

export const signalOption = () => having<AbortSignal>("an AbortSignal", "throwIfAborted").optional();

/** An option that is marked `decides: false` may change when a run is resumed. */
export const runSpec = specOf<RunOptions<unknown>>()(() => ({
  task: taskOption().describe("The kind of annotation, and its prompts"),
  dataset: given("an array of examples").describe("The examples to learn from"),
  threshold: number().default(0.75).describe("τ: cots with at least this reward are worth imitating"),
  microBatch: count()
    .optional()
    .describe("Sequences in one forward and backward pass; without it, all sequences of a step"),
  checkpointEvery: count().default(50).describe("Steps from one checkpoint to the next"),
  keepCheckpoints: count()
    .default(3)
    .describe("Newest checkpoints that are kept, beside the best one")
    .meta({ decides: false }),
  heldOut: given("an array of examples")
    .default(() => [])
    .describe(
      "Examples to measure the policy with at every checkpoint, by one greedy rollout each. The best `eval_reward` makes " +
        "the best checkpoint",
    ),
  preflight: flag()
    .default(true)
    .describe(
      "Decodes every image and tries every stage on one example before the first step. A run that must fail then fails at " +
        "once, and `preflight.html` shows the examples",
    )
    .meta({ decides: false }),
  ...failureSpec(),
  onOmission: callback()
    .optional()
    .describe(
      "Receives every example whose image cannot be read, and the run leaves it out. Without it, such an image ends the " +
        "run before its first step. With `preflight: false` no image is read early, and `onFailure` decides",
    )
    .meta({ decides: false }),
  seed: seed().default(0).describe("Decides everything that is random"),
  runDir: text()
    .optional()
    .describe("The folder of the run's files. Without it, nothing is written")
    .meta({ decides: false }),
  resume: flag().default(false).describe("Resumes the run in `runDir`, if there is one").meta({ decides: false }),
  stop: signalOption()
    .describe(
      "Finishes the step under way, writes a checkpoint, and rejects with this signal's reason: `stopOnInterrupt` makes one",
    )
    .meta({ decides: false }),
  handleInterrupts: flag()
    .default(true)
    .describe(
      "Whether Ctrl-C, SIGTERM and a hang-up do the same and then end the process, with exit code 130 for Ctrl-C and " +
        "without a stack. With `stop`, or when the program listens to the signal itself, the run leaves it alone",
    )
    .meta({ decides: false }),
  log: logOption()
    .describe(
      "Whether an awaited run says on stderr how it goes, and its warnings; a function receives the lines instead. A run " +
        "that is iterated only does with true or a function. RISE_LOG=off turns the default off",
    )
    .meta({ decides: false }),
  signal: signalOption()
    .describe("Stops as soon as possible. The steps since the last checkpoint are lost")
    .meta({ decides: false }),
}));

type Idle = Pick<RunOptions<unknown>, "runDir" | "resume" | "keepCheckpoints" | "failureLimit"> & {
  readonly [Name in "shard" | "retryFailed" | "sheet" | "onFailure"]?: unknown;
};

/** @throws ConfigError for an option that has no effect without another */
export function checkIdle(where: string, options: Idle): void {
  const { runDir, shard, keepCheckpoints, sheet, onFailure, failureLimit } = options;
  const [resume, retryFailed] = [options.resume || undefined, options.retryFailed || undefined];
  if (runDir === undefined)
    refuseIdle(where, "without a runDir", { shard, resume, retryFailed, keepCheckpoints, sheet });
  if (onFailure === "throw") refuseIdle(where, 'beside onFailure: "throw"', { failureLimit });
}

export type RunSettings<A> = Settings<RunOptions<A>, typeof runSpec>;
