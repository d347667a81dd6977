import { readFileSync } from "node:fs";
import { findLeaks } from "../../src/checks/leakage";

/** Cots written by hand, each with whether it gives the annotation away by the rule at the head of the file. */
export interface LeakSet {
  readonly rule: string;
  readonly split: string;
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly rows: readonly LeakRow[];
}

export interface LeakRow {
  /** The checks were tuned on the first; the second was written when they were finished. */
  readonly part: "tune" | "fresh";
  readonly kind: string;
  readonly leaks: boolean;
  /** Which of the lists of class names count as leaks. */
  readonly labels: string;
  readonly cot: string;
}

export const leakSet = JSON.parse(readFileSync(new URL("leak-set.json", import.meta.url), "utf8")) as LeakSet;

export interface LeakScore {
  readonly rows: number;
  /** The share of the cots found to leak that do leak. */
  readonly precision: number;
  /** The share of the leaking cots that is found. */
  readonly recall: number;
  readonly mistakes: readonly LeakRow[];
}

/** The leak checks as a classifier of one part's cots. */
export function scorePart(part: LeakRow["part"]): LeakScore {
  const rows = leakSet.rows.filter((row) => row.part === part);
  const found = (row: LeakRow) => findLeaks(row.cot, { labels: leakSet.labels[row.labels]! }).length > 0;
  const hits = rows.filter((row) => row.leaks && found(row)).length;
  return {
    rows: rows.length,
    precision: hits / rows.filter(found).length,
    recall: hits / rows.filter(({ leaks }) => leaks).length,
    mistakes: rows.filter((row) => row.leaks !== found(row)),
  };
}
