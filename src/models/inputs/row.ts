import type { ProcessedImage } from "./image-processor";

/** A tokenized sequence: a prompt, or a prompt and its completion. */
export interface Row {
  readonly tokens: readonly number[];
  /** In the order of their places in the prompt. */
  readonly images: readonly ProcessedImage[];
  /** Tokens from here on are the model's own, and can be scored. */
  readonly promptLength: number;
}
