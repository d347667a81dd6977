import { ConfigError, DataError } from "../errors";
import { fieldsKind, listKind, presentKind } from "../options/arguments";
import { shown } from "../options/display";
import type { Box } from "../types";

/** One evaluated example. */
export interface Outcome<A> {
  readonly truth: A;
  /** `null` when the answer did not parse: the worst value of every metric, never left out. */
  readonly prediction: A | null;
  /** The category that average precision is averaged over, as in COCO. */
  readonly category?: string;
  /** Regions of objects that were not drawn one by one, COCO's `iscrowd`; only average precision reads them. */
  readonly crowds?: readonly Box[];
}

export const outcomesKind = listKind(fieldsKind({ truth: presentKind, prediction: presentKind }));

/**
 * The mean, Σ value / N.
 * @throws DataError when there is nothing to average; ConfigError for a value that is not a number
 */
export function meanOver<T>(metric: string, rows: readonly T[], value: (row: T) => number): number {
  if (rows.length === 0) throw new DataError(`${metric}: expected at least one example, got none`);
  return rows.reduce((sum, row) => sum + numberOf(metric, value(row)), 0) / rows.length;
}

/** A metric's value. @throws ConfigError for one that is not a number, such as the promise of one */
export function numberOf(metric: string, value: unknown): number {
  if (typeof value === "number") return value;
  const got = value instanceof Promise ? "a promise; a metric does not wait" : shown(value);
  throw new ConfigError(`${metric}: expected a number, got ${got}`);
}
