import { readOrdinal, readSpelledNumber } from "./number-words";
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

/**
 * A step of a pattern over tokens: the position behind the tokens from `at` that it matches, or null. A step that only
 * looks around returns `at`. It looks at a constant number of tokens, and at the numbers that start there.
 *
 * @param start where the whole pattern begins
 */
export type Step = (tokens: readonly Token[], at: number, start: number) => number | null;

/** A set of words, listed or not. */
export type Words = Pick<ReadonlySet<string>, "has">;

/** A step; words stand for one token that is one of them, and a text for the words in it. */
export type Part = Step | Words | string;

/** A passage that matches the pattern leaks. */
export interface Rule {
  readonly kind: LeakKind;
  readonly pattern: Step;
}

export const leaks = (kind: LeakKind, ...patterns: readonly Part[]): readonly Rule[] =>
  patterns.map((pattern) => ({ kind, pattern: stepOf(pattern) }));

export const wordSet = (words: string): ReadonlySet<string> => new Set(words.split(" "));

export const anyOf = (...sets: readonly Words[]): Words => ({ has: (word) => sets.some((words) => words.has(word)) });

export function isOneOf(token: Token | undefined, words: Words): boolean {
  return token !== undefined && words.has(token.text);
}

function stepOf(part: Part): Step {
  if (typeof part === "function") return part;
  const words = typeof part === "string" ? wordSet(part) : part;
  return token(({ text }) => words.has(text));
}

/** One token. */
export const token =
  (fits: (token: Token) => boolean): Step =>
  (tokens, at) => {
    const found = tokens[at];
    return found !== undefined && fits(found) ? at + 1 : null;
  };

/** One part after the other. */
export function seq(...parts: readonly Part[]): Step {
  const steps = parts.map(stepOf);
  return (tokens, at, start) => {
    let end = at;
    for (const step of steps) {
      const next = step(tokens, end, start);
      if (next === null) return null;
      end = next;
    }
    return end;
  };
}

/** The first part that matches. */
export function any(...parts: readonly Part[]): Step {
  const steps = parts.map(stepOf);
  return (tokens, at, start) => {
    for (const step of steps) {
      const end = step(tokens, at, start);
      if (end !== null) return end;
    }
    return null;
  };
}

export const maybe = (...parts: readonly Part[]): Step => any(seq(...parts), (_, at) => at);

/** Looks ahead. */
export function next(...parts: readonly Part[]): Step {
  const step = seq(...parts);
  return (tokens, at, start) => (step(tokens, at, start) === null ? null : at);
}

export function not(...parts: readonly Part[]): Step {
  const step = seq(...parts);
  return (tokens, at, start) => (step(tokens, at, start) === null ? at : null);
}

/** At most three of the words. */
export const skip = (words: Part): Step => maybe(words, maybe(words, maybe(words)));

/** One to three of the words. */
export const some = (words: Part): Step => seq(words, maybe(words, maybe(words)));

/** A pattern begins somewhere from `low` to `high` tokens behind the start of this one. */
export function around(low: number, high: number, ...parts: readonly Part[]): Step {
  const step = seq(...parts);
  return (tokens, at, start) => {
    for (let i = start + low; i <= start + high; i++) if (step(tokens, i, i) !== null) return at;
    return null;
  };
}

/** A pattern begins somewhere from `low` to `high` tokens behind this position. */
export function ahead(low: number, high: number, ...parts: readonly Part[]): Step {
  const step = around(low, high, ...parts);
  return (tokens, at) => step(tokens, at, at);
}

/** The pattern begins with these parts. */
export const starts = (...parts: readonly Part[]): Step => around(0, 0, ...parts);

/** These words stand directly before the pattern, in this order. */
export const before = (...words: readonly Part[]): Step => around(-words.length, -words.length, ...words);

/** The token before this position is one of the words. */
export const last = (words: Part): Step => ahead(-1, -1, words);

/** One of the words stands before the pattern, and at most `most` of the words between may be skipped. */
export const precededBy =
  (words: Words, between: Words, most: number): Step =>
  (tokens, at, start) => {
    let place = start - 1;
    while (place >= start - most && isOneOf(tokens[place], between)) place--;
    return isOneOf(tokens[place], words) ? at : null;
  };

/** A number in words. */
export const number: Step = (tokens, at) => readSpelledNumber(tokens, at)?.end ?? null;
/** A number in words that is more than twenty. */
export const largeNumber: Step = (tokens, at) => {
  const found = readSpelledNumber(tokens, at);
  return found?.large ? found.end : null;
};
export const ordinal: Step = (tokens, at) => readOrdinal(tokens, at)?.end ?? null;
export const largeOrdinal: Step = (tokens, at) => {
  const found = readOrdinal(tokens, at);
  return found?.large ? found.end : null;
};
/** A number in digits. */
export const digits = token(({ kind }) => kind === "number");
/** A number in digits or in words. */
export const quantity = any(digits, number);
export const anyToken = token(() => true);
export const aWord = token(({ kind }) => kind === "word");
/** A hyphen, if there is one. */
export const hyphen = maybe("-");

/** "… at best", "…, at most" */
export const atMost = next(maybe(","), "at", "most least best worst");

/** The number counts nothing: "seven, …", "seven and …" and "seven for …", not "seven chairs". */
export const bare = any(
  (tokens, at) => (tokens[at] === undefined ? at : null),
  next(
    "and or but for as because since given while whereas when so though although if with on once until overall here tops max",
  ),
  atMost,
  next(token(({ kind, text }) => kind === "mark" && text !== "-")),
);

/** One of the words stands at most twelve tokens before the pattern in the same clause. */
export const after =
  (words: Words): Step =>
  (tokens, at, start) =>
    isAfter(tokens, start, words) ? at : null;

/** One of the words stands at most fourteen tokens before or after the start of the pattern in the same sentence. */
export const near =
  (...sets: readonly Words[]): Step =>
  (tokens, at, start) =>
    sets.some((words) => [-1, 1].some((step) => isWithin(tokens, start, step, 14, sentenceEnds, words))) ? at : null;

export const far = (...sets: readonly Words[]): Step => not(near(...sets));

/** The words that link the number to its noun, hedges such as "about" skipped: these stand before it, in this order. */
export const linkedBy = (...words: readonly Part[]): Step => {
  const step = seq(...words);
  return (tokens, at, start) =>
    step(tokens, linkBefore(tokens, start) + 1 - words.length, start) === null ? null : at;
};

/**
 * One of the nouns has this number: the noun stands before it, and a link between them; before an "of" the noun stands
 * directly: "a score of nine", but not "the score of the group of nine".
 */
export const linked = (links: Words, nouns: Words): Step =>
  any(linkedBy(nouns, "of"), seq(linkedBy(links), not(linkedBy("of")), after(nouns)));

function linkBefore(tokens: readonly Token[], at: number): number {
  let place = at - 1;
  while (place > at - 5 && isOneOf(tokens[place], hedges)) place--;
  return place;
}

function isAfter(tokens: readonly Token[], at: number, words: Words): boolean {
  return isWithin(tokens, at, -1, 12, clauseEnds, words);
}

function isWithin(
  tokens: readonly Token[],
  at: number,
  step: number,
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

const sentenceEnds = wordSet(". ! ?");
const clauseEnds = wordSet(". ! ? ;");
/** "About", "well", "roughly", "essentially". */
export const hedges = anyOf(
  wordSet("about around almost just perhaps maybe say over under above below well close somewhere"),
  { has: (word) => word.endsWith("ly") },
);
/** The pattern begins the text. */
export const atStart: Step = (_, at, start) => (start === 0 ? at : null);
/** The pattern begins the text, or a sentence. */
export const opens = any(atStart, before(sentenceEnds));
