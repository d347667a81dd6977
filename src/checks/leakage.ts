import { checkArguments, fieldsKind, flagKind, listKind, optionalKind, textKind } from "../options/arguments";
import type { Leak } from "../types";
import { findClassNames } from "./label-names";
import { numberRules } from "./numbers/digits";
import { fractionRules } from "./numbers/fractions";
import { idiom } from "./numbers/idioms";
import { positionRules } from "./numbers/positions";
import { ratioRules } from "./numbers/ratios";
import { type LeakKind, number, type Rule } from "./numbers/rule";
import { scoreRules, verdictRules } from "./numbers/scores";
import { type Token, tokenise } from "./numbers/tokens";

export type { LeakKind } from "./numbers/rule";

/**
 * Finds everything in a cot that gives the annotation away by number: L(R, A) = 0 in the paper means an empty list.
 *
 * Digits always leak. Spelled-out numbers leak as percentages, decimals, fractions, ratios, probabilities, coordinates,
 * or when larger than twenty; small counts ("three children"), ages, times and vague shares ("evenly split") are
 * description. Digits are found in every script, number words in English only, with shares in Chinese and Japanese
 * ("百分之六十", "零点六", "六成", "三分の二"); "sechzig Prozent" and "sesenta por ciento" are not found. bench/leaks.ts says
 * how often this is right.
 *
 * @param options.labels class names to look for as well: whole words and their inflections ("joyful", not "enjoying")
 * @param options.answer the annotation as text, which leaks wherever it is copied
 * @param options.counts small spelled counts leak too (false): for annotations that are counts or ratings
 * @returns leaks in the order of the text, kinds as `LeakKind`
 * Source: RISE, Eq. 1 and the text below it. Departure: small spelled counts, and measures of real things, are not
 * leaks.
 * @example
 * findLeaks("About 80 % joy."); // [{ kind: "percent", text: "80 %", start: 6, end: 10 }]
 */
export function findLeaks(
  cot: string,
  options: { readonly labels?: readonly string[]; readonly answer?: string; readonly counts?: boolean } = {},
): Leak[] {
  checkArguments("findLeaks", { cot, options }, { cot: textKind, options: optionsKind });
  const { labels = [], answer = "", counts = false } = options;
  const tokens = tokenise(cot);
  const spans = [...findNumbers(tokens, counts), ...findClassNames(tokens, labels), ...findCopies(cot, answer)];
  return spans
    .map(({ kind, start, end }) => ({ kind, text: cot.slice(start, end), start, end }))
    .sort((a, b) => a.start - b.start || b.end - a.end);
}

const optionsKind = fieldsKind({
  labels: optionalKind(listKind(textKind)),
  answer: optionalKind(textKind),
  counts: optionalKind(flagKind),
});

interface Span {
  readonly kind: LeakKind;
  readonly start: number;
  readonly end: number;
}

function findNumbers(tokens: readonly Token[], counts: boolean): Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < tokens.length; ) {
    const named = idiom(tokens, at, at);
    const find = firstFind(tokens, at, counts);
    // "scene four" is a name, and "scene four fifths" is not: a rule that reads further than the idiom wins.
    const isLeak = find !== null && (named === null || find.end > named);
    if (isLeak) spans.push({ kind: find.kind, start: tokens[at]!.start, end: tokens[find.end - 1]!.end });
    at = (isLeak ? find.end : (named ?? number(tokens, at, at))) ?? at + 1;
  }
  return spans;
}

/**
 * The first rule that fits names the leak, so specific rules come before general ones. `idiom` comes before all of
 * them: a number inside a name ("platform nine") leaks nothing.
 */
const rules: readonly Rule[] = [
  ...positionRules,
  ...ratioRules,
  ...fractionRules,
  ...scoreRules,
  ...numberRules,
  ...verdictRules,
];
const spelledCount: Rule = { kind: "number-word", pattern: number };

function firstFind(tokens: readonly Token[], at: number, counts: boolean) {
  for (const { kind, pattern } of counts ? [...rules, spelledCount] : rules) {
    const end = pattern(tokens, at, at);
    if (end !== null) return { kind, end };
  }
  return null;
}

function findCopies(cot: string, answer: string): Span[] {
  const spans: Span[] = [];
  if (answer === "") return spans;
  for (let at = cot.indexOf(answer); at >= 0; at = cot.indexOf(answer, at + answer.length))
    spans.push({ kind: "annotation", start: at, end: at + answer.length });
  return spans;
}
