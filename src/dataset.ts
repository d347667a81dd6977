import type { Example } from "./types";

/** Examples in a fixed order. Images are named or held, not decoded. */
export type Dataset<A> = readonly Example<A>[];

/**
 * Examples of a file: `await` it for all of them, or `for await` it for one after the other, which holds one at a time.
 *
 * Awaiting refuses an id that occurs twice; iterating remembers no ids.
 */
export interface ExampleStream<A> extends AsyncIterable<Example<A>>, PromiseLike<Dataset<A>> {}

/** A data set as its paper divides it. */
export interface Splits<A> {
  readonly train: Dataset<A>;
  readonly test: Dataset<A>;
  /** Parts of the original that are in neither, and why; examples that were merely not drawn are not listed. */
  readonly omissions: readonly Omission[];
}

/** A part of the original that did not become an example. */
export interface Omission {
  /** The file, and the place in it. */
  readonly where: string;
  readonly reason: string;
}
