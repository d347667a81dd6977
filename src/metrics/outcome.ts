import { DataError } from "../errors";
import { fieldsKind, listKind, presentKind } from "../options/arguments";
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

/** The mean, Σ value / N.  @throws DataError when there is nothing to average */
export function meanOver<T>(metric: string, rows: readonly T[], value: (row: T) => number): number {
  if (rows.length === 0) throw new DataError(`${metric}: expected at least one example, got none`);
  return rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
}
