import type { Leak } from "../types";
import { findClassNames } from "./class-names";
import { isDenominator, isUnitFraction, readSpelledNumber } from "./number-words";
import { type Token, tokenise } from "./tokens";

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
 * Everything in a cot that gives the annotation away by number: L(R, A) = 0 in the paper means that this is empty.
 *
 * Digits always leak. Spelled-out numbers leak as percentages, decimals, fractions, ratios, probabilities, coordinates, or
 * when larger than twenty; small counts ("three children") are description. English only.
 *
 * @param options.labels class names to look for as well: whole words and their inflections ("joyful", not "enjoying")
 * @param options.answer the annotation as text, which leaks wherever it is copied
 * @returns leaks in the order of the text, kinds as `LeakKind`
 * Source: RISE, Eq. 1 and the text below it. Departure: small spelled counts are not leaks.
 */
export function findLeaks(
  cot: string,
  { labels = [], answer = "" }: { readonly labels?: readonly string[]; readonly answer?: string } = {},
): Leak[] {
  const tokens = tokenise(cot);
  const spans = [...findNumbers(tokens), ...findClassNames(tokens, labels), ...findCopies(cot, answer)];
  return spans
    .map(({ kind, start, end }) => ({ kind, text: cot.slice(start, end), start, end }))
    .sort((a, b) => a.start - b.start || b.end - a.end);
}

interface Span {
  readonly kind: LeakKind;
  readonly start: number;
  readonly end: number;
}

/** A leak in tokens: `tokens[first … end)`. */
interface Find {
  readonly kind: LeakKind;
  readonly end: number;
}

type Rule = (tokens: readonly Token[], at: number) => Find | null;

function findNumbers(tokens: readonly Token[]): Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < tokens.length; ) {
    const find = firstFind(tokens, at);
    if (find) spans.push({ kind: find.kind, start: tokens[at]!.start, end: tokens[find.end - 1]!.end });
    at = find?.end ?? readSpelledNumber(tokens, at)?.end ?? at + 1;
  }
  return spans;
}

function firstFind(tokens: readonly Token[], at: number): Find | null {
  for (const rule of rules) {
    const find = rule(tokens, at);
    if (find) return find;
  }
  return null;
}

/** "[120, 80, 40, 60]", "(0.2, 0.3)" */
const bracketed: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], brackets)) return null;
  let end = at + 1;
  let numbers = 0;
  for (; tokens[end]?.kind === "number" || isOneOf(tokens[end], separators); end++) {
    if (tokens[end]!.kind === "number") numbers++;
  }
  return numbers >= 2 && isOneOf(tokens[end], closers) ? { kind: "coordinates", end: end + 1 } : null;
};

/** "x from 120 to 300", "y = forty", "coordinates twelve and thirty" */
const axis: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], axes)) return null;
  const from = quantityEnd(tokens, skip(tokens, at + 1, connectives));
  if (from === null) return null;
  return { kind: "coordinates", end: quantityEnd(tokens, skip(tokens, from, rangeWords)) ?? from };
};

/** "80 %", "eighty-five percent", "ten per cent" */
const percent: Rule = (tokens, at) => {
  const end = quantityEnd(tokens, at);
  if (end === null) return null;
  if (isOneOf(tokens[end], percentWords)) return { kind: "percent", end: end + 1 };
  return tokens[end]?.text === "per" && tokens[end + 1]?.text === "cent" ? { kind: "percent", end: end + 2 } : null;
};

/** "8/10", "eight out of ten", "one in a hundred" */
const ratio: Rule = (tokens, at) => {
  const end = quantityEnd(tokens, at);
  if (end === null) return null;
  const next = tokens[end]?.text;
  if (next === "out" && tokens[end + 1]?.text === "of") return endOfRatio(tokens, end + 2);
  if (next === "/" && tokens[end + 1]?.kind === "number") return { kind: "ratio", end: end + 2 };
  if (next !== "in") return null;
  // "one in ten" is a ratio, "two in three rows" is not.
  const second = tokens[end + 1]?.text === "a" ? end + 2 : end + 1;
  return isOneOf(tokens[second], roundNumbers) ? { kind: "ratio", end: second + 1 } : null;
};

/** "0.8", "1e-3", "½", "42" */
const digits: Rule = (tokens, at) => {
  const token = tokens[at]!;
  if (token.kind !== "number") return null;
  const end = at + 1;
  if (token.text.includes("e")) return { kind: "scientific", end };
  if (/^\p{No}+$/u.test(token.text)) return { kind: "fraction", end };
  const grouped = /^\p{N}{1,3}(?:,\p{N}{3})+$/u.test(token.text);
  return { kind: /[.,]/.test(token.text) && !grouped ? "decimal" : "digits", end };
};

/** "zero point eight", "point eight" */
const spelledDecimal: Rule = (tokens, at) => {
  const whole = readSpelledNumber(tokens, at)?.end ?? at;
  if (tokens[whole]?.text !== "point") return null;
  const fraction = readSpelledNumber(tokens, whole + 1);
  // "The focal point two children share" has no whole part and no verb or preposition before "point".
  if (!fraction || (whole === at && at > 0 && !isOneOf(tokens[at - 1], beforePoint))) return null;
  return { kind: "decimal", end: fraction.end };
};

/** "two thirds", "one-half", "a quarter of" */
const spelledFraction: Rule = (tokens, at) => {
  if (isOneOf(tokens[at], articles) && isUnitFraction(tokens[at + 1]) && tokens[at + 2]?.text === "of") {
    return { kind: "fraction", end: at + 2 };
  }
  const numerator = readSpelledNumber(tokens, at);
  if (!numerator) return null;
  const next = tokens[numerator.end]?.text === "-" ? numerator.end + 1 : numerator.end;
  return isDenominator(tokens[next], tokens[numerator.end - 1]!.text) ? { kind: "fraction", end: next + 1 } : null;
};

/** "probability of one", "confidence is about half" */
const spelledProbability: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end ?? (tokens[at]?.text === "half" ? at + 1 : null);
  if (end === null) return null;
  let before = at - 1;
  while (before >= Math.max(0, at - 4) && isOneOf(tokens[before], connectives)) before--;
  return before >= 0 && isOneOf(tokens[before], probabilityWords) ? { kind: "probability", end } : null;
};

/** "eighty", "one hundred and twenty" */
const largeNumber: Rule = (tokens, at) => {
  const number = readSpelledNumber(tokens, at);
  return number?.large ? { kind: "number-word", end: number.end } : null;
};

/** The first that fits names the leak, so the particular come before the general. */
const rules: readonly Rule[] = [
  bracketed,
  axis,
  percent,
  ratio,
  digits,
  spelledDecimal,
  spelledFraction,
  spelledProbability,
  largeNumber,
];

function endOfRatio(tokens: readonly Token[], at: number): Find | null {
  const end = quantityEnd(tokens, tokens[at]?.text === "a" ? at + 1 : at);
  return end === null ? null : { kind: "ratio", end };
}

/** The end of the number, in digits or in words, that starts here. */
function quantityEnd(tokens: readonly Token[], at: number): number | null {
  return tokens[at]?.kind === "number" ? at + 1 : (readSpelledNumber(tokens, at)?.end ?? null);
}

/** Past at most three connecting words. */
function skip(tokens: readonly Token[], at: number, words: ReadonlySet<string>): number {
  let end = at;
  while (end < at + 3 && isOneOf(tokens[end], words)) end++;
  return end;
}

function isOneOf(token: Token | undefined, words: ReadonlySet<string>): boolean {
  return token !== undefined && words.has(token.text);
}

const wordSet = (words: string): ReadonlySet<string> => new Set(words.split(" "));
const brackets = wordSet("[ (");
const closers = wordSet("] )");
const separators = wordSet(", ; -");
const axes = wordSet("x y coordinate coordinates");
const rangeWords = wordSet("to and - – — , until through");
const percentWords = wordSet("% ％ percent pct percentage");
const articles = wordSet("a an");
const roundNumbers = wordSet("ten hundred thousand million 10 100 1000");
const probabilityWords = wordSet(
  "probability probabilities likelihood confidence score scores chance odds certainty proportion percentage",
);
const connectives = wordSet(
  "of is at as a an = : about around roughly nearly almost approximately equal equals to near over under being from between was are",
);
const beforePoint = wordSet(
  "is at of to about around roughly nearly almost approximately over under equals = : , . ; ( - – — with and",
);

function findCopies(cot: string, answer: string): Span[] {
  const spans: Span[] = [];
  if (answer === "") return spans;
  for (let at = cot.indexOf(answer); at >= 0; at = cot.indexOf(answer, at + answer.length)) {
    spans.push({ kind: "annotation", start: at, end: at + answer.length });
  }
  return spans;
}
