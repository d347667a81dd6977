import type { Completion, ImageSource, MemoryEstimate, Prompt, Workload } from "./types";

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
  /** Divides the logits above 0, and multiplies those below, of tokens that the prompt or the completion has already (1: none). */
  readonly repetitionPenalty?: number;
  /** Completion k of prompt i depends on (seed, i, k) and its own prompt only, not on the batch it ran in. */
  readonly seed: number;
  /** Texts that end a completion; they are not part of it. */
  readonly stop?: readonly string[];
  /**
   * Called with a prompt's completions as soon as all of them are there, or with the failure of that prompt alone, and awaited. With it such a
   * failure does not reject the call: the prompt's completions are `[]`. Optional for backends: one that ignores it rejects.
   */
  readonly onPromptEnd?: (index: number, outcome: readonly Completion[] | Error) => void | Promise<void>;
  /** Ends the generation while it is under way; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Anything that continues a prompt with images. */
export interface VlmBackend {
  readonly name: string;
  readonly capabilities: {
    /** Completions carry `tokenIds` and `logProbs`. */
    readonly logProbs: boolean;
    /** The same seed gives the same completions. */
    readonly reproducible: boolean;
  };
  /** Tells apart policies of one name: a digest of the weights that training changes. Absent where none do. */
  weightsDigest?(): string;
  /**
   * Tells apart models whatever they are called: a digest of what training does not change, weights, configuration, tokenizer, picture processor. A run
   * is only gone on with by the model it was begun with. Absent where it cannot be known, as of a server; then it is the `name` that counts.
   */
  modelDigest?(): Promise<string>;
  /** `count` completions for each prompt, in the order of the prompts. */
  generate(prompts: readonly Prompt[], options: GenerateOptions): Promise<readonly (readonly Completion[])[]>;
  /** Tokens of each prompt, its pictures' among them, and how many a prompt and its completion may have together. */
  countTokens?(prompts: readonly Prompt[]): Promise<{ readonly tokens: readonly number[]; readonly limit: number }>;
  /** Decodes an image as `generate` would, and forgets it: to ask before a run starts. @throws DataError naming an image that cannot be read */
  checkImage?(image: ImageSource): Promise<void>;
  /** What generating these will take. @throws ConfigError when there is less, with the numbers and what to change */
  checkMemory?(work: Workload): Promise<MemoryEstimate>;
  dispose(): Promise<void>;
}
