import type { GenerateOptions } from "./generate-options";
import type { Completion, ImageSource, MemoryEstimate, Prompt, Workload } from "./types";

export type { GenerateOptions } from "./generate-options";

/** Anything that continues a prompt with images. */
export interface VlmBackend {
  readonly name: string;
  /** Packages that decide its numbers, with their versions, and the device: a run keeps them in `environment.json`. */
  readonly versions?: Readonly<Record<string, string>>;
  readonly capabilities: {
    /** Completions carry `logProbs`. */
    readonly logProbs: boolean;
    /** Completions carry `tokenIds`, so that a trainer can learn from them (as `logProbs`). */
    readonly tokenIds?: boolean;
    /** The same seed gives the same completions. */
    readonly reproducible: boolean;
  };
  /** A digest of the weights that training changes, to tell apart policies of one name. Absent if nothing changes. */
  weightsDigest?(): string;
  /**
   * A digest of what training does not change (weights, configuration, tokenizer, image processor), to tell apart
   * models whatever their names. A run only resumes with the model it began with. Absent if unknown, as for a server;
   * then the `name` decides.
   */
  modelDigest?(): Promise<string>;
  /** `count` completions for each prompt, in the order of the prompts. */
  generate(prompts: readonly Prompt[], options: GenerateOptions): Promise<readonly (readonly Completion[])[]>;
  /** Counts each prompt's tokens, images included; `limit` is the most that a prompt and its completion may have. */
  countTokens?(prompts: readonly Prompt[]): Promise<{ readonly tokens: readonly number[]; readonly limit: number }>;
  /** Decodes an image as `generate` would and forgets it. @throws DataError naming an image that cannot be read */
  checkImage?(image: ImageSource): Promise<void>;
  /** Estimates the memory that generating takes. @throws ConfigError when there is less: the numbers, what to change */
  checkMemory?(work: Workload): Promise<MemoryEstimate>;
  /** Frees native memory; the backend is of no use afterwards. */
  dispose(): Promise<void>;
}
