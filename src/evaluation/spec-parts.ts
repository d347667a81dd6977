import type { VlmBackend } from "../backend";
import { choice, count, specOf } from "../options/spec";
import { backendOption } from "../runs/disposable";
import { taskOption } from "../runs/examples/check-examples";
import { type FailureOptions, failureSpec as runFailureSpec } from "../runs/examples/failures";
import { signalOption } from "../runs/run-options";
import type { Task } from "../task";
import { type LogOption, logOption } from "../terminal/log";

/** The question, the model that answers, and how it is asked. */
export interface AnswerOptions<A> {
  readonly task: Task<A>;
  readonly backend: VlmBackend;
  /** Tokens of an answer (512). */
  readonly maxTokens?: number;
  /** Prompts in one `generate` call (16). */
  readonly batchSize?: number;
  /** `generate` calls under way at the same time (1). More help if the backend is a server. */
  readonly concurrency?: number;
  /** Ends the call while it is under way. */
  readonly signal?: AbortSignal;
  /**
   * Whether the call says on stderr how it goes (true); a function receives the lines instead. RISE_LOG=off turns the
   * default off.
   */
  readonly log?: LogOption;
}

export const answerSpec = specOf<AnswerOptions<unknown>>()(() => ({
  task: taskOption().describe("The kind of annotation, and the prompt that asks the model for it"),
  backend: backendOption().describe("The model that answers"),
  maxTokens: count().default(512).describe("Tokens of an answer"),
  batchSize: count().default(16).describe("Prompts in one `generate` call"),
  concurrency: count().default(1).describe("`generate` calls under way at the same time"),
  signal: signalOption().describe("Ends the call while it is under way"),
  log: logOption().describe(
    "Whether the call says on stderr how it goes; a function receives the lines instead. RISE_LOG=off turns the default off",
  ),
}));

export const failureSpec = specOf<FailureOptions>()(() => ({
  ...runFailureSpec(),
  onFailure: choice(["record", "exclude", "throw"]).default("record"),
}));
