import { checkArguments, fieldsKind, listKind, optionalKind } from "../options/arguments";

/**
 * Counts the answers that could only be read by overlooking a flaw, by flaw: `{ "text around it": 12, "coordinates look
 * like fractions": 40 }`.
 *
 * @param rows records of `evaluate`, or rewards of rollouts
 * @example
 * countRepairs(evaluation.records)["coordinates look like fractions"]; // undefined if there is no such answer
 */
export function countRepairs(
  rows: readonly { readonly repairs?: readonly string[] | undefined }[],
): Readonly<Record<string, number>> {
  checkArguments("countRepairs", { rows }, { rows: listKind(fieldsKind({ repairs: optionalKind(listKind()) })) });
  const counts = new Map<string, number>();
  for (const { repairs = [] } of rows) for (const repair of repairs) counts.set(repair, (counts.get(repair) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}
