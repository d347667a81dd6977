import { readSpelledNumber } from "./number-words";
import type { Token } from "./tokens";

export type LeakKind =
  | "digits"
  | "decimal"
  | "scientific"
  | "percent"
  | "fraction"
  | "ratio"
  | "probability"
  | "coordinates"
  | "number-word"
  | "class-name"
  | "annotation";

/** A leak in tokens: `tokens[first … end)`. */
export interface Find {
  readonly kind: LeakKind;
  readonly end: number;
}

/** Looks at the tokens around `at`, a constant number of them and the number that starts there; null where it does not apply. */
export type Rule = (tokens: readonly Token[], at: number) => Find | null;

export const wordSet = (words: string): ReadonlySet<string> => new Set(words.split(" "));

export function isOneOf(token: Token | undefined, words: ReadonlySet<string>): boolean {
  return token !== undefined && words.has(token.text);
}

/** The end of the number, in digits or in words, that starts here. */
export function quantityEnd(tokens: readonly Token[], at: number): number | null {
  return tokens[at]?.kind === "number" ? at + 1 : (readSpelledNumber(tokens, at)?.end ?? null);
}

/** Past at most three connecting words. */
export function skip(tokens: readonly Token[], at: number, words: ReadonlySet<string>): number {
  let end = at;
  while (end < at + 3 && isOneOf(tokens[end], words)) end++;
  return end;
}

/** Whether nothing is counted here: "seven, …" and "seven and …", not "seven chairs". */
export function isBare(tokens: readonly Token[], end: number): boolean {
  const next = tokens[end];
  if (next === undefined || isOneOf(next, conjunctions)) return true;
  return next.kind === "mark" && next.text !== "-";
}

/** Whether one of the words stands at most eight tokens before `at` in the same clause. */
export function isAfter(tokens: readonly Token[], at: number, words: ReadonlySet<string>): boolean {
  for (let i = at - 1; i >= Math.max(0, at - 8) && !isOneOf(tokens[i], clauseEnds); i--) {
    if (isOneOf(tokens[i], words)) return true;
  }
  return false;
}

/** The last token before `at` that is no "about", "nearly", …; what links a number to its noun. */
export function beforeHedges(tokens: readonly Token[], at: number): Token | undefined {
  let before = at - 1;
  while (before > at - 3 && isOneOf(tokens[before], hedges)) before--;
  return tokens[before];
}

const conjunctions = wordSet("and but for as because since while so");
const clauseEnds = wordSet(". ! ? ;");
const hedges = wordSet("about around roughly nearly almost approximately exactly only just perhaps over under");
