import { readSpelledNumber } from "./number-words";
import type { Token } from "./tokens";

/** The kind of a passage that gives an annotation away. */
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

/**
 * Looks at a constant number of tokens around `at` and at the number that starts there; null if it does not apply.
 */
export type Rule = (tokens: readonly Token[], at: number) => Find | null;

/** A set of words, listed or not. */
export type Words = Pick<ReadonlySet<string>, "has">;

export const wordSet = (words: string): ReadonlySet<string> => new Set(words.split(" "));

export const anyOf = (...sets: readonly Words[]): Words => ({ has: (word) => sets.some((words) => words.has(word)) });

export function isOneOf(token: Token | undefined, words: Words): boolean {
  return token !== undefined && words.has(token.text);
}

/** The end of the number, in digits or in words, that starts here. */
export function quantityEnd(tokens: readonly Token[], at: number): number | null {
  return tokens[at]?.kind === "number" ? at + 1 : (readSpelledNumber(tokens, at)?.end ?? null);
}

export function afterHyphen(tokens: readonly Token[], at: number): number {
  return tokens[at]?.text === "-" ? at + 1 : at;
}

/** The position after at most three connecting words. */
export function skip(tokens: readonly Token[], at: number, words: Words): number {
  let end = at;
  while (end < at + 3 && isOneOf(tokens[end], words)) end++;
  return end;
}

/** Whether the number counts nothing: "seven, …", "seven and …" and "seven for …", not "seven chairs". */
export function isBare(tokens: readonly Token[], end: number): boolean {
  const next = tokens[end];
  if (next === undefined || isOneOf(next, followers) || isAtMost(tokens, end)) return true;
  return next.kind === "mark" && next.text !== "-";
}

/** "… at best", "…, at most" */
export function isAtMost(tokens: readonly Token[], end: number): boolean {
  const at = tokens[end]?.text === "," ? end + 1 : end;
  return tokens[at]?.text === "at" && isOneOf(tokens[at + 1], bounds);
}

/** Whether one of the words stands at most twelve tokens before `at` in the same clause. */
export function isAfter(tokens: readonly Token[], at: number, words: Words): boolean {
  return isWithin(tokens, at, -1, 12, clauseEnds, words);
}

/** Whether one of the words stands at most fourteen tokens before or after `at` in the same sentence. */
export function isNear(tokens: readonly Token[], at: number, words: Words): boolean {
  return isWithin(tokens, at, -1, 14, sentenceEnds, words) || isWithin(tokens, at, 1, 14, sentenceEnds, words);
}

/** The index of the word that links a number to its noun: the last one before `at`, hedges such as "about" skipped. */
export function linkBefore(tokens: readonly Token[], at: number): number {
  let before = at - 1;
  while (before > at - 5 && isHedge(tokens[before])) before--;
  return before;
}

/**
 * Whether one of the nouns has this number: the noun stands before it, and a link between them; before an "of" the noun
 * stands directly.
 */
export function isLinked(tokens: readonly Token[], at: number, links: Words, nouns: Words): boolean {
  const link = linkBefore(tokens, at);
  if (!isOneOf(tokens[link], links)) return false;
  // "A score of nine", but not "the score of the group of nine".
  return tokens[link]!.text === "of" ? isOneOf(tokens[link - 1], nouns) : isAfter(tokens, at, nouns);
}

/** "About", "well", "roughly", "essentially". */
export function isHedge(token: Token | undefined): boolean {
  return isOneOf(token, hedges) || (token?.kind === "word" && token.text.endsWith("ly"));
}

function isWithin(
  tokens: readonly Token[],
  at: number,
  step: 1 | -1,
  reach: number,
  ends: ReadonlySet<string>,
  words: Words,
): boolean {
  for (let i = at + step; i !== at + step * (reach + 1); i += step) {
    const token = tokens[i];
    if (token === undefined || ends.has(token.text)) return false;
    if (words.has(token.text)) return true;
  }
  return false;
}

const followers = wordSet(
  "and or but for as because since given while whereas when so though although if with on once until overall here tops max",
);
const sentenceEnds = wordSet(". ! ?");
const clauseEnds = wordSet(". ! ? ;");
const bounds = wordSet("most least best worst");
const hedges = wordSet("about around almost just perhaps maybe say over under above below well close somewhere");
