import type { GenerateOptions } from "./generate-options";
import type { Completion, ImageSource, MemoryEstimate, Prompt, Workload } from "./types";

export type { GenerateOptions } from "./generate-options";

/** Anything that continues a prompt with images. */
export interface VlmBackend {
  readonly name: string;
  readonly capabilities: {
    /** Completions carry `logProbs`. */
    readonly logProbs: boolean;
    /** Completions carry `tokenIds`, so that a trainer can learn from them (as `logProbs`). */
    readonly tokenIds?: boolean;
    /** The same seed gives the same completions. */
    readonly reproducible: boolean;
  };
  /** Tells apart policies of one name: a digest of the weights that training changes. Absent if nothing does. */
  weightsDigest?(): string;
  /**
   * Tells apart models whatever they are called: a digest of what training does not change (weights, configuration,
   * tokenizer, image processor). A run only resumes with the model it began with. Absent if it cannot be known, as for
   * a server; then the `name` decides.
   */
  modelDigest?(): Promise<string>;
  /** `count` completions for each prompt, in the order of the prompts. */
  generate(prompts: readonly Prompt[], options: GenerateOptions): Promise<readonly (readonly Completion[])[]>;
  /** Tokens of each prompt, its images included, and the most that a prompt and its completion may have together. */
  countTokens?(prompts: readonly Prompt[]): Promise<{ readonly tokens: readonly number[]; readonly limit: number }>;
  /** Decodes an image as `generate` would and forgets it. @throws DataError naming an image that cannot be read */
  checkImage?(image: ImageSource): Promise<void>;
  /** What generating these will take. @throws ConfigError when there is less, with the numbers and what to change */
  checkMemory?(work: Workload): Promise<MemoryEstimate>;
  dispose(): Promise<void>;
}
