import { DataError } from "../../errors";
import { shown } from "../../options/display";
import { having } from "../../options/spec";
import type { Task } from "../../task";
import type { Example } from "../../types";

/** Methods that tell a task from its options. */
const methods = [
  "cotPrompt",
  "reconstructionPrompt",
  "answerPrompt",
  "format",
  "parse",
  "similarity",
  "leaks",
  "validate",
] as const satisfies readonly (keyof Task<never>)[];

export const taskOption = () => having("a task, such as classification({ labels })", ...methods);

/**
 * Checks every example, and its annotation by the task.
 *
 * @param name of the option that holds them
 * @throws DataError for an empty list, an id that is not text or occurs twice, an example without an image, or an
 * annotation that does not fit the task
 */
export function checkExamples<A>(task: Task<A>, examples: readonly Example<A>[], name = "dataset"): void {
  if (!Array.isArray(examples))
    throw new DataError(
      `${name}: expected the examples to be an array, got ${shown(examples)}; a stream or a promise has to be awaited`,
    );
  if (examples.length === 0) throw new DataError(`${name}: expected at least one example, got none`);
  const ids = new Set<string>();
  for (const [i, example] of (examples as readonly Example<A>[]).entries()) {
    if (typeof example !== "object" || example === null)
      throw new DataError(
        `${name}: expected examples, { id, image, annotation }, but number ${i} is ${shown(example)}`,
      );
    const { id, image, annotation } = example;
    if (typeof id !== "string" || id === "")
      throw new DataError(`example number ${i}: expected an id that is text, got ${JSON.stringify(id)}`);
    if (ids.has(id)) throw new DataError(`examples: expected an id of its own for each, got "${id}" twice`);
    ids.add(id);
    if (image === undefined || image === null) throw new DataError(`example ${id} has no image`);
    task.validate(annotation, `the annotation of example ${id}`);
  }
}

/** @throws DataError for a held-out example that is also trained on, or that does not fit the task */
export function checkHeldOut<A>(task: Task<A>, heldOut: readonly Example<A>[], trained: readonly Example<A>[]): void {
  if (Array.isArray(heldOut) && heldOut.length === 0) return;
  checkExamples(task, heldOut, "heldOut");
  const ids = new Set(trained.map(({ id }) => id));
  const both = heldOut.find(({ id }) => ids.has(id));
  if (both) throw new DataError(`heldOut: expected examples that the dataset does not have, got "${both.id}"`);
}
