import type { ProcessedImage } from "./image-processor";

/** A tokenized sequence: a prompt, or a prompt and its completion. */
export interface Row {
  readonly tokens: readonly number[];
  /** Images in the order of the prompt. */
  readonly images: readonly ProcessedImage[];
  /** The model's own tokens, which can be scored, begin here. */
  readonly promptLength: number;
}
