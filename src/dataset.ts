import type { Example } from "./types";

/** Examples in a fixed order. Pictures are named or held, not decoded. */
export type Dataset<A> = readonly Example<A>[];

/**
 * Examples of a file: `await` it for all of them, or `for await` it for one after the other, which holds one at a time.
 *
 * Awaiting makes sure that every id is there once; iterating remembers no ids.
 */
export interface ExampleStream<A> extends AsyncIterable<Example<A>>, PromiseLike<Dataset<A>> {}

/** A data set as its paper divides it. */
export interface Splits<A> {
  readonly train: Dataset<A>;
  readonly test: Dataset<A>;
  /** What of the original is in neither, and why, apart from what was not drawn. */
  readonly omissions: readonly Omission[];
}

/** Something of the original that no example was made of. */
export interface Omission {
  /** The file, and the place in it. */
  readonly where: string;
  readonly reason: string;
}
