import type { z } from "zod";
import { DataError } from "../../errors";
import { excerpt, shown } from "../../shown";
import type { Task } from "../../tasks/task";
import type { LabelDistribution } from "../../types";

/** @throws DataError for text that is no JSON */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as SyntaxError;
    // Such a message quotes the place.
    const found = message.endsWith("is not valid JSON") ? "" : `, found ${excerpt(text)}`;
    throw new DataError(`${where}: expected a JSON object${found}: ${message}`, { cause });
  }
}

/** @throws DataError naming each field that is not as the schema has it */
export function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".") || "the whole"}: ${message}`);
  throw new DataError(`${where}: ${problems.join("; ")}; found ${shown(value)}`);
}

/** @throws DataError for an annotation that is not the task's */
export function checkAnnotation<A>(task: Task<A>, annotation: A, where: string): void {
  try {
    task.validate(annotation, `${where}: the annotation`);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    // An annotation of another kind altogether, on which the task's own checks trip.
    throw new DataError(`${where}: expected an annotation of task ${task.name}, found ${shown(annotation)}`, { cause });
  }
}

/** How far a sum may be from 1: ratings rounded to two decimals. */
const sumTolerance = 0.01 + 1e-9;

/**
 * A distribution from the numbers of a row.
 * @param texts in the order of the labels
 * @throws DataError for what is no probability, and a sum that is not 1
 */
export function readDistribution(
  labels: readonly string[],
  texts: readonly string[],
  where: string,
): LabelDistribution {
  const values = labels.map((label, i) => {
    const text = texts[i]!.trim();
    const value = readDecimal(text);
    if (!(value >= 0 && value <= 1))
      throw new DataError(`${where}: ${label}: expected a decimal number from 0 to 1, found "${text}"`);
    return value;
  });
  const sum = values.reduce((total, value) => total + value, 0);
  if (Math.abs(sum - 1) > sumTolerance)
    throw new DataError(`${where}: expected probabilities that sum to 1, found a sum of ${sum}`);
  return Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
}

/** NaN for what is no decimal number, such as "", "0x1" and "0,5". */
export const readDecimal = (text: string): number =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
