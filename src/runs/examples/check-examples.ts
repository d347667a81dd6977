import { createHash } from "node:crypto";
import { ConfigError, DataError } from "../../errors";
import { shown } from "../../options/display";
import { checkMethods } from "../../options/options";
import { createRng } from "../../rng";
import type { Task } from "../../task";
import type { Example, Prompt } from "../../types";

/** @throws ConfigError for what is no task, such as the options of one */
export const checkTask = (task: unknown): void =>
  checkMethods("task to be a task, such as classification({ labels })", task, [...prompts, ...readings]);

const prompts = ["cotPrompt", "reconstructionPrompt", "answerPrompt"] satisfies (keyof Task<never>)[];
const readings = ["format", "parse", "similarity", "leaks", "validate"] satisfies (keyof Task<never>)[];

/**
 * @param name of the option they came in
 * @throws DataError for no examples, an id that is no text or occurs twice, an example without an image, or an annotation that is not the task's;
 * ConfigError for what is no task
 */
export function checkExamples<A>(task: Task<A>, examples: readonly Example<A>[], name = "dataset"): void {
  checkTask(task);
  if (!Array.isArray(examples))
    throw new DataError(
      `${name}: expected the examples to be an array, got ${shown(examples)}; a stream or a promise has to be awaited`,
    );
  if (examples.length === 0) throw new DataError(`the ${name} has no examples`);
  const ids = new Set<string>();
  for (const [i, example] of (examples as readonly Example<A>[]).entries()) {
    if (typeof example !== "object" || example === null)
      throw new DataError(
        `${name}: expected examples, { id, image, annotation }, but number ${i} is ${shown(example)}`,
      );
    const { id, image, annotation } = example;
    if (typeof id !== "string" || id === "")
      throw new DataError(`every example needs an id that is text, but that of number ${i} is ${JSON.stringify(id)}`);
    if (ids.has(id)) throw new DataError(`every example needs an id of its own, but two are "${id}"`);
    ids.add(id);
    if (image === undefined || image === null) throw new DataError(`example ${id} has no image`);
    task.validate(annotation, `the annotation of example ${id}`);
  }
}

/** @throws DataError for held-out examples that are trained on as well, or are no examples of the task */
export function checkHeldOut<A>(task: Task<A>, heldOut: readonly Example<A>[], trained: readonly Example<A>[]): void {
  if (Array.isArray(heldOut) && heldOut.length === 0) return;
  checkExamples(task, heldOut, "heldOut");
  const ids = new Set(trained.map(({ id }) => id));
  const both = heldOut.find(({ id }) => ids.has(id));
  if (both) throw new DataError(`heldOut: expected examples that the dataset does not have, got "${both.id}"`);
}

/** Tells datasets apart by ids, annotations and subjects, in order; pictures are not looked at. */
export function fingerprint(examples: readonly Pick<Example<unknown>, "id" | "annotation" | "subject">[]): {
  readonly examples: number;
  readonly sha256: string;
} {
  const hash = createHash("sha256");
  for (const { id, annotation, subject } of examples) hash.update(`${JSON.stringify([id, annotation, subject])}\n`);
  return { examples: examples.length, sha256: hash.digest("hex") };
}

/** Tells prompts apart by their words, in order, and by where they have pictures. */
export function promptsFingerprint(prompts: Iterable<Prompt>): { readonly sha256: string } {
  const hash = createHash("sha256");
  for (const prompt of prompts) {
    const words = prompt.map(({ role, content }) => ({
      role,
      content: content.map((part) => (part.type === "text" ? part : { type: part.type })),
    }));
    hash.update(`${JSON.stringify(words)}\n`);
  }
  return { sha256: hash.digest("hex") };
}

/**
 * The `count` items of a step: every epoch goes through all items in an order of its own, and steps follow on each other without gaps.
 * @param step from 0
 */
export function shuffledBatch<T>(items: readonly T[], step: number, count: number, seed: number): readonly T[] {
  const orders = new Map<number, readonly T[]>();
  return Array.from({ length: count }, (_, i) => {
    const position = step * count + i;
    const epoch = Math.floor(position / items.length);
    const order = orders.get(epoch) ?? createRng(seed, "epoch", epoch).shuffle(items);
    orders.set(epoch, order);
    return order[position % items.length]!;
  });
}

/** The `count` items of a step in their own order, fewer in the last. */
export const orderedBatch = <T>(items: readonly T[], step: number, count: number): readonly T[] =>
  items.slice(step * count, (step + 1) * count);

/** Without the options that are there and undefined, which mean the default as those that are not there do. */
export const given = <Options extends object>(options: Options): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;

/** @throws ConfigError naming the first setting that is not a whole number of at least `least` */
export function checkCounts(settings: Readonly<Record<string, number | undefined>>, least = 1): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined && !(Number.isInteger(value) && value >= least))
      throw new ConfigError(`expected ${name} to be a whole number of at least ${least}, got ${shown(value)}`);
  }
}
