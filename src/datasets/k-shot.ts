import { DataError } from "../errors";
import { imageKey } from "../files/image";
import { checkArguments, objectKind } from "../options/arguments";
import { shown } from "../options/display";
import { callback, count, readArgument, readOptions, seed as seedOption, specOf } from "../options/spec";
import { createRng } from "../rng";
import type { Example } from "../types";

/** The fields of an example that a draw depends on. */
export type Drawable = Pick<Example<unknown>, "id" | "image" | "metadata">;

/** Options of `kShot`. */
export interface KShotOptions<T> {
  /** The class of an example, such as `categoryOf`; k of each are drawn. Without it, k in all (LISA). */
  readonly by?: (example: T) => string;
  /** The seed of the draw (0). */
  readonly seed?: number;
}

export const kShotSpec = specOf<KShotOptions<never>>()(() => ({
  by: callback()
    .default(() => allInOne)
    .describe("The class of an example; k of each are drawn, or k in all"),
  seed: seedOption().default(0).describe("The seed of what is drawn"),
}));

function allInOne(): string {
  return "examples";
}

const atLeastOne = count();

/**
 * Draws k examples of each class, or k in all, at random, and returns them in the data set's order.
 *
 * A smaller draw is a subset of a larger one: 4 shots of a seed are 4 of its 16. The draw does not depend on the order
 * of the data set.
 *
 * @throws DataError for a class with fewer than k examples, and an example whose class is not text
 * @example
 * const four = kShot(train, 4, { by: categoryOf, seed: 1 });
 */
export function kShot<T extends Drawable>(examples: readonly T[], k: number, options: KShotOptions<T> = {}): T[] {
  const { by, seed } = readOptions("kShot", options, kShotSpec);
  readArgument("kShot", "k", k, atLeastOne);
  const drawn = new Set<T>();
  for (const [name, members] of shuffledClasses(examples, by, seed, "k-shot")) {
    if (members.length < k) throw new DataError(`expected at least ${k} of ${name}, got ${members.length}`);
    for (const example of members.slice(0, k)) drawn.add(example);
  }
  return examples.filter((example) => drawn.has(example));
}

/**
 * Draws examples of each class at random, to train with and to test with. No image is in both.
 * @throws DataError for a class with too few examples
 * @example
 * const { train, test } = splitPerClass(dataset, { train: 25, test: 10 }, 1);
 */
export function splitPerClass<T extends Drawable>(
  examples: readonly T[],
  counts: { readonly train: number; readonly test: number },
  seed = 0,
): { readonly train: T[]; readonly test: T[] } {
  checkArguments("splitPerClass", { counts }, { counts: objectKind });
  for (const part of ["train", "test"] as const) readArgument("splitPerClass", part, counts[part], atLeastOne);
  const classes = shuffledClasses(examples, categoryOf, seed, "split");
  const test = new Set([...classes.values()].flatMap((members) => members.slice(0, counts.test)));
  const tested = new Set([...test].map(({ image }) => imageKey(image)));
  const train = new Set<T>();
  for (const [name, members] of classes) {
    const left = members.filter(({ image }) => !tested.has(imageKey(image)));
    if (members.length < counts.test || left.length < counts.train)
      throw new DataError(
        `expected at least ${counts.train + counts.test} examples of ${name}, ${counts.train} of them with pictures that no class is tested with; got ${members.length} and ${left.length}`,
      );
    for (const example of left.slice(0, counts.train)) train.add(example);
  }
  return { train: examples.filter((e) => train.has(e)), test: examples.filter((e) => test.has(e)) };
}

/**
 * The class of an example in its data set: `metadata.category`.
 * @throws DataError if that is missing
 * @example
 * categoryOf({ id: "1", image: "1.jpg", metadata: { category: "dog" } }); // "dog"
 */
export function categoryOf(example: Drawable): string {
  checkArguments("categoryOf", { example }, { example: objectKind });
  const { id, metadata } = example;
  const category = metadata?.category;
  if (typeof category !== "string") throw new DataError(`expected example ${id} to have a metadata.category`);
  return category;
}

/** The classes, each shuffled in an order that depends only on ids and seed. */
function shuffledClasses<T extends Drawable>(
  examples: readonly T[],
  by: (example: T) => string,
  seed: number,
  purpose: string,
): ReadonlyMap<string, readonly T[]> {
  if (!Array.isArray(examples))
    throw new DataError(
      "expected the examples to be an array; a data set that is a stream or a promise has to be awaited",
    );
  const classes = new Map<string, T[]>();
  for (const example of examples as readonly T[]) {
    const name = by(example);
    if (typeof name !== "string")
      throw new DataError(`expected by to give the class of example ${example.id} as text, got ${shown(name)}`);
    const members = classes.get(name);
    if (members) members.push(example);
    else classes.set(name, [example]);
  }
  return new Map(
    [...classes].map(([name, members]) => [
      name,
      createRng(seed, purpose, name).shuffle(members.sort((a, b) => (a.id < b.id ? -1 : 1))),
    ]),
  );
}
