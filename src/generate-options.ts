import type { Completion } from "./types";

/** How completions are drawn: the options of `VlmBackend.generate`. */
export interface GenerateOptions {
  /** Completions per prompt (1). */
  readonly count?: number;
  /** Tokens per completion (256). */
  readonly maxTokens?: number;
  /** Divides the logits; 0 is greedy (1). */
  readonly temperature?: number;
  /** Samples from this many of the likeliest tokens only (all); `topP` is then a share of their probability. */
  readonly topK?: number;
  /** Samples from the nucleus: the smallest set of tokens whose probabilities sum to at least this (1). */
  readonly topP?: number;
  /** Divides positive and multiplies negative logits of tokens that prompt or completion already have (1: none). */
  readonly repetitionPenalty?: number;
  /** Completion k of prompt i depends on (seed, i, k) and its own prompt only, not on the batch it ran in. */
  readonly seed: number;
  /** Texts that end a completion; they are not part of it. */
  readonly stop?: readonly string[];
  /**
   * Called, and awaited, with a prompt's completions as soon as they are complete, or with the failure of that prompt
   * alone. This failure then does not reject the call: the prompt's completions are `[]`. Backends may ignore this
   * option; then the call rejects.
   */
  readonly onPromptEnd?: (index: number, outcome: readonly Completion[] | Error) => void | Promise<void>;
  /** Ends the generation while it is under way; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
