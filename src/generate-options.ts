import type { Completion } from "./types";

/** How completions are drawn: the options of `VlmBackend.generate`. */
export interface GenerateOptions {
  /** Completions per prompt (1). */
  readonly count?: number;
  /** Tokens per completion (256). */
  readonly maxTokens?: number;
  /** 0 is greedy (1). */
  readonly temperature?: number;
  /** Only the likeliest tokens, at most this many (all); `topP` then is of their probability. */
  readonly topK?: number;
  /** Nucleus: smallest set of tokens whose probabilities sum to at least this (1). */
  readonly topP?: number;
  /** Divides positive and multiplies negative logits of tokens that prompt or completion already have (1: none). */
  readonly repetitionPenalty?: number;
  /** Completion k of prompt i depends on (seed, i, k) and its own prompt only, not on the batch it ran in. */
  readonly seed: number;
  /** Texts that end a completion; they are not part of it. */
  readonly stop?: readonly string[];
  /**
   * Called, and awaited, with a prompt's completions as soon as all of them are there, or with the failure of that
   * prompt alone. With it such a failure does not reject the call: the prompt's completions are `[]`. Optional for
   * backends: one that ignores it rejects.
   */
  readonly onPromptEnd?: (index: number, outcome: readonly Completion[] | Error) => void | Promise<void>;
  /** Ends the generation while it is under way; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
