import type { z } from "zod";
import { DataError } from "../../errors";
import { jsonFault } from "../../files/json-fault";
import { excerpt, shown } from "../../options/display";
import { schemaWords } from "../../options/schema-words";
import { isNearOne } from "../../similarity/distribution";
import type { Task } from "../../task";
import type { LabelDistribution } from "../../types";

/** Parses JSON. @throws DataError for text that is not JSON, with the line and column of the fault */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const fault = jsonFault(text) ?? `got ${shown(text)}`;
    // The place of a row already names its line.
    const placed = text.includes("\n") ? fault : fault.replace(", at line 1, column", ", at column");
    throw new DataError(`${where}: expected a JSON object, ${placed}`, { cause });
  }
}

/**
 * Checks a value against a schema.
 *
 * A custom message of the schema must begin with "expected"; the value that came is added to it.
 *
 * @throws DataError naming each field that does not fit, what was expected and what came
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = tryChecked(schema, value);
  if (result.problem !== undefined) throw new DataError(`${where}: ${result.problem}`);
  return result.value;
}

type Checked<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

/** Like `checked`, but returns the text of a problem. */
export function tryChecked<T>(schema: z.ZodType<T>, value: unknown): Checked<T> {
  const result = schema.safeParse(value, { error: schemaWords });
  if (result.success) return { value: result.data };
  const { issues } = result.error;
  const problems = issues.map(({ code, path, message }) => {
    const place = path.length > 0 ? `${path.join(".")}: ` : "";
    const isSaid = code === "unrecognized_keys" || message.includes(", got ");
    return `${place}${message}${isSaid ? "" : `, got ${shown(valueAt(value, path))}`}`;
  });
  const isMissing = issues.some(({ path }) => path.length === 1 && valueAt(value, path) === undefined);
  const fields = isMissing ? Object.keys(value as object).join(", ") : "";
  return { problem: `${problems.join("; ")}${fields && `; the fields there are ${excerpt(fields)}`}` };
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, key) => (at === null || at === undefined ? undefined : (at as Record<PropertyKey, unknown>)[key]),
    value,
  );

/** Checks an annotation by its task. @throws DataError for an annotation that does not fit */
export function checkAnnotation<A>(task: Task<A>, annotation: A, where: string): void {
  try {
    task.validate(annotation, `${where}: the annotation`);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    // The task's own checks can trip over an annotation of another type.
    throw new DataError(`${where}: expected an annotation of task ${task.name}, got ${shown(annotation)}`, { cause });
  }
}

/**
 * Reads a distribution from the numbers of a row.
 * @param texts the numbers, in the order of the labels
 * @param advice the end of a message about numbers that are counts or percents
 * @throws DataError for a text that is not a probability, and a sum that is not 1
 */
export function readDistribution(
  labels: readonly string[],
  texts: readonly string[],
  where: string,
  advice = "",
): LabelDistribution {
  const values = readNumbers(labels, texts, where, { most: 1, advice });
  const sum = total(values);
  if (!isNearOne(sum))
    throw new DataError(`${where}: expected probabilities that sum to 1, got a sum of ${sum}${advice}`);
  return Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
}

/**
 * Reads each label's share of the votes, or of the percents, in a row; `undefined` for a row without votes.
 * @throws DataError for a text that is not a count
 */
export function readVotes(
  labels: readonly string[],
  texts: readonly string[],
  where: string,
): LabelDistribution | undefined {
  const votes = readNumbers(labels, texts, where, { most: Number.MAX_SAFE_INTEGER });
  const percents = texts.filter((text) => text.trim().endsWith("%"));
  if (percents.length > 0 && percents.length < texts.length)
    throw new DataError(
      `${where}: expected percents in all cells or in none, got ${percents[0]!.trim()} beside others`,
    );
  const sum = total(votes);
  return sum === 0 ? undefined : Object.fromEntries(labels.map((label, i) => [label, votes[i]! / sum]));
}

function readNumbers(
  labels: readonly string[],
  texts: readonly string[],
  where: string,
  { most, advice = "" }: { readonly most: number; readonly advice?: string },
): number[] {
  return labels.map((label, i) => {
    const text = texts[i]!.trim();
    const value = readDecimal(most === 1 ? text : text.replace(/\s?%$/, ""));
    const range = most === 1 ? "from 0 to 1" : "of at least 0";
    if (!(value >= 0 && value <= most))
      throw new DataError(
        `${where}: ${label}: expected a decimal number ${range}, got "${text}"${remedy(text, value > most, advice)}`,
      );
    return value;
  });
}

function remedy(text: string, isLarge: boolean, advice: string): string {
  if (text === "") return "; write 0 where a label has no share";
  if (hasComma(text)) return "; write a decimal point, and no mark for thousands";
  return isLarge || text.endsWith("%") ? advice : "";
}

/** Whether a text is a number with a decimal comma or marks for thousands, such as "0,5" and "50,5 %". */
export const hasComma = (text: string): boolean => /^[\d.,]*,[\d.,]*\d\s?%?$/.test(text);

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** Reads a decimal number; NaN for other text, such as "", "0x1" and "0,5". */
export const readDecimal = (text: string): number =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
