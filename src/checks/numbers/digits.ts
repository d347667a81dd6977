import { determiners } from "./lexicon";
import { readOrdinal, readSpelledNumber } from "./number-words";
import { afterHyphen, isBare, isOneOf, type LeakKind, type Rule, wordSet } from "./rule";

/** "0.8", "1e-3", "½", "42" */
const digits: Rule = (tokens, at) => {
  const token = tokens[at]!;
  if (token.kind !== "number") return null;
  const end = at + 1;
  if (token.text.includes("e")) return { kind: "scientific", end };
  if (/^\p{No}+$/u.test(token.text)) return { kind: "fraction", end };
  const grouped = /^\p{N}{1,3}(?:,\p{N}{3})+$/u.test(token.text);
  return { kind: /[.,．٫]/.test(token.text) && !grouped ? "decimal" : "digits", end };
};

/** "zero point eight", "zero-point-eight", "zero comma eight", "point eight"; not "at this point one child laughs" */
const spelledDecimal: Rule = (tokens, at) => {
  const whole = readSpelledNumber(tokens, at)?.end ?? at;
  const point = whole > at ? afterHyphen(tokens, whole) : at;
  if (!isOneOf(tokens[point], whole > at ? points : barePoints)) return null;
  const fraction = readSpelledNumber(tokens, afterHyphen(tokens, point + 1));
  if (!fraction) return null;
  const isCounted = !isBare(tokens, fraction.end) && !isOneOf(tokens[at - 1], beforePoint);
  const isPlace = isOneOf(tokens[at - 1], determiners) || isOneOf(tokens[at - 1], pointArticles);
  return whole === at && at > 0 && (isCounted || isPlace) ? null : { kind: "decimal", end: fraction.end };
};

/** "the hundredth pixel", "the ninetieth percentile", "the fortieth row"; not "the third row" */
const ordinal: Rule = (tokens, at) => {
  const number = readOrdinal(tokens, at);
  const unit = number && tokens[number.end];
  if (!unit) return null;
  const kind = ordinalUnits.get(unit.text) ?? (number.large ? largeOrdinalUnits.get(unit.text) : undefined);
  return kind ? { kind, end: number.end + 1 } : null;
};

/** "eighty", "one hundred and twenty"; not "forty-second street" */
const largeNumber: Rule = (tokens, at) => {
  const number = readSpelledNumber(tokens, at);
  return number?.large && readOrdinal(tokens, at) === null ? { kind: "number-word", end: number.end } : null;
};

/**
 * "百分之六十", "三分之一", "三分の一", "六成", "六割", "六十パーセント", "零点六": shares in Chinese and Japanese, whose sentences
 * are one token; not "一成不变", nor the time "零点五十分"
 */
const chinese: Rule = (tokens, at) => {
  const { text } = tokens[at]!;
  return eastAsianShare.test(text) || eastAsianFraction.test(text) ? { kind: "fraction", end: at + 1 } : null;
};
const eastAsianShare = /[一二两三四五六七八九十百半几数](?:成(?![不一年人立功员长])|割|パーセント|个?百分点)/;
const eastAsianFraction =
  /分之|[一二三四五六七八九十百]分の[一二三四五六七八九十]|[零〇]点[零〇一二三四五六七八九](?![十分点])/;

/** Rules for numbers by their form, whatever they mean. */
export const numberRules: readonly Rule[] = [digits, spelledDecimal, ordinal, largeNumber, chinese];

const points = wordSet("point comma dot");
const barePoints = wordSet("point");
const beforePoint = wordSet(
  "is at of to about around roughly nearly almost approximately over under equals = : , . ; ( - – — with and",
);
const pointArticles = wordSet("a an one some which what focal vantage");
const ordinalUnits: ReadonlyMap<string, LeakKind> = new Map([
  ["pixel", "coordinates"],
  ["percentile", "percent"],
]);
const largeOrdinalUnits: ReadonlyMap<string, LeakKind> = new Map([
  ["row", "coordinates"],
  ["column", "coordinates"],
  ["line", "coordinates"],
  ["unit", "coordinates"],
  ["part", "fraction"],
]);
