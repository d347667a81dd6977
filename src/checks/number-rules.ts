import { isDenominator, isUnitFraction, readOrdinal, readSpelledNumber } from "./number-words";
import {
  beforeHedges,
  type Find,
  isAfter,
  isBare,
  isOneOf,
  type LeakKind,
  quantityEnd,
  type Rule,
  skip,
  wordSet,
} from "./rule";
import type { Token } from "./tokens";

/** "80 %", "eighty-five percent", "ten per cent" */
const percent: Rule = (tokens, at) => {
  const end = quantityEnd(tokens, at);
  if (end === null) return null;
  if (isOneOf(tokens[end], percentWords)) return { kind: "percent", end: end + 1 };
  return tokens[end]?.text === "per" && tokens[end + 1]?.text === "cent" ? { kind: "percent", end: end + 2 } : null;
};

/** "8/10", "eight out of ten", "three parts in four", "one in a hundred" */
const ratio: Rule = (tokens, at) => {
  const number = quantityEnd(tokens, at);
  if (number === null) return null;
  const end = isOneOf(tokens[number], portions) ? number + 1 : number;
  const next = tokens[end]?.text;
  if (next === "out" && tokens[end + 1]?.text === "of") return endOfRatio(tokens, end + 2);
  if (next === "/" && tokens[end + 1]?.kind === "number") return { kind: "ratio", end: end + 2 };
  if (next !== "in") return null;
  const second = isOneOf(tokens[end + 1], everyWords) ? end + 2 : end + 1;
  if (isOneOf(tokens[second], roundNumbers)) return { kind: "ratio", end: second + 1 };
  // "one in five" is a ratio, "two in three rows" and "two in one" are not.
  const whole = tokens[second]?.text === "one" ? undefined : readSpelledNumber(tokens, second)?.end;
  return whole !== undefined && isBare(tokens, whole) ? { kind: "ratio", end: whole } : null;
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

/** "zero point eight", "zero-point-eight", "point eight" */
const spelledDecimal: Rule = (tokens, at) => {
  const whole = readSpelledNumber(tokens, at)?.end ?? at;
  const point = whole > at ? afterHyphen(tokens, whole) : at;
  if (tokens[point]?.text !== "point") return null;
  const fraction = readSpelledNumber(tokens, afterHyphen(tokens, point + 1));
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
  const next = afterHyphen(tokens, numerator.end);
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

/** "the confidence in rain is zero", "gives it a seven", "rates the dread seven"; not "the score is two pages long" */
const score: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined || !isBare(tokens, end)) return null;
  const isRated = isOneOf(beforeHedges(tokens, at), scoreLinks) && isAfter(tokens, at, scoreNouns);
  const isGrade = isOneOf(tokens[at - 1], articles);
  const isGiven = !isOneOf(tokens[at - 1], determiners) && isAfter(tokens, at, scoreVerbs);
  // "Give her one" and "a one" are no grades.
  const isVerdict = tokens[at]!.text !== "one" && (isGrade || isGiven);
  return isRated || isVerdict ? { kind: "probability", end } : null;
};

/** "half the weight", "covers half of the picture"; not "the lower half of the picture" */
const halfOf: Rule = (tokens, at) => {
  if (tokens[at]?.text !== "half") return null;
  const whole = skip(tokens, at + 1, partitives);
  const isShare =
    isOneOf(tokens[whole], shares) || (isOneOf(tokens[whole], pictures) && isOneOf(tokens[at - 1], fills));
  return whole > at + 1 && isShare ? { kind: "fraction", end: whole + 1 } : null;
};

/** "the hundredth pixel", "the ninetieth percentile", "the fortieth row"; not "the third row" */
const ordinal: Rule = (tokens, at) => {
  const number = readOrdinal(tokens, at);
  const unit = number && tokens[number.end];
  if (!unit) return null;
  const kind = ordinalUnits[unit.text] ?? (number.large ? largeOrdinalUnits[unit.text] : undefined);
  return kind ? { kind, end: number.end + 1 } : null;
};

/** "eighty", "one hundred and twenty" */
const largeNumber: Rule = (tokens, at) => {
  const number = readSpelledNumber(tokens, at);
  return number?.large ? { kind: "number-word", end: number.end } : null;
};

export const numberRules: readonly Rule[] = [
  percent,
  ratio,
  digits,
  spelledDecimal,
  spelledFraction,
  spelledProbability,
  score,
  halfOf,
  ordinal,
  largeNumber,
];

function afterHyphen(tokens: readonly Token[], at: number): number {
  return tokens[at]?.text === "-" ? at + 1 : at;
}

function endOfRatio(tokens: readonly Token[], at: number): Find | null {
  const end = quantityEnd(tokens, tokens[at]?.text === "a" ? at + 1 : at);
  return end === null ? null : { kind: "ratio", end };
}

const percentWords = wordSet("% ％ percent pct percentage");
const articles = wordSet("a an");
const roundNumbers = wordSet("ten hundred thousand million 10 100 1000");
const everyWords = wordSet("a every each");
const portions = wordSet("part parts chance chances case cases time times");
const probabilityNames =
  "probability probabilities likelihood confidence score scores chance odds certainty proportion percentage scale";
const probabilityWords = wordSet(probabilityNames);
const scoreNouns = wordSet(
  `${probabilityNames} weight weights rating ratings intensity level degree share strength value grade`,
);
const scoreLinks = wordSet("is was are at of to = : equals reaches reached stands");
const scoreVerbs = wordSet(
  "give gives given gave rate rates rated assign assigns assigned deserve deserves earn earns receive receives gets score scores scored",
);
const determiners = wordSet("the this that these those each every any his her their its our no of other last first");
const partitives = wordSet("of the this its my all");
const shares = wordSet("weight mass probability likelihood mood feeling emotion impression chance chances score");
const pictures = wordSet("frame picture image photo photograph width height");
const fills = wordSet("fills covers takes occupies spans than over about nearly almost roughly");
const ordinalUnits: Readonly<Record<string, LeakKind>> = { pixel: "coordinates", percentile: "percent" };
const largeOrdinalUnits: Readonly<Record<string, LeakKind>> = {
  row: "coordinates",
  column: "coordinates",
  line: "coordinates",
  unit: "coordinates",
  part: "fraction",
};
const connectives = wordSet(
  "of is at as a an = : about around roughly nearly almost approximately equal equals to near over under being from between was are",
);
const beforePoint = wordSet(
  "is at of to about around roughly nearly almost approximately over under equals = : , . ; ( - – — with and",
);
