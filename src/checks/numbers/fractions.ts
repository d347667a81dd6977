import { isFromSide } from "./idioms";
import { extents, moods, pictures, probabilityWords, sharedNouns, shareVerbs } from "./lexicon";
import { isPluralDenominator, isUnitFraction, readSpelledNumber } from "./number-words";
import {
  afterHyphen,
  anyOf,
  isAfter,
  isAtMost,
  isBare,
  isLinked,
  isNear,
  isOneOf,
  linkBefore,
  type Rule,
  skip,
  wordSet,
} from "./rule";
import type { Token } from "./tokens";

/**
 * "two thirds", "one-fifth", "eight tenth of it"; not "two halves", "three quarters of an hour", "a three-quarters
 * view", "two third graders"
 */
const spelledFraction: Rule = (tokens, at) => {
  const numerator = readSpelledNumber(tokens, at);
  if (!numerator) return null;
  const next = afterHyphen(tokens, numerator.end);
  const isOne = tokens[numerator.end - 1]!.text === "one" && isUnitFraction(tokens[next]);
  const end = next + 1;
  const isSingular =
    isUnitFraction(tokens[next]) &&
    !isOneOf(tokens[numerator.end - 1], ordinalStarts) &&
    (tokens[end]?.text === "of" || isBare(tokens, end) || isOneOf(tokens[end], markers) || isOneOf(tokens[end], moods));
  if (!isOne && !isSingular && !isPluralDenominator(tokens[next])) return null;
  // "One third-grader."
  if (isOne && tokens[end]?.text === "-") return null;
  return isOfTime(tokens, end) || isOneOf(tokens[afterHyphen(tokens, end)], poses) ? null : { kind: "fraction", end };
};

/**
 * "a quarter of", "a good third across", "takes a fifth", "a third calm, a third tired", "the remaining third"; not "a
 * third man", "a quarter past"
 */
const unitFraction: Rule = (tokens, at) => {
  const isRest = tokens[at]?.text === "remaining";
  if (!isRest && !isOneOf(tokens[at], articles)) return null;
  const unit = skip(tokens, at + 1, sizesOfShare);
  const end = unit + 1;
  if (!isUnitFraction(tokens[unit]) || isOfTime(tokens, end)) return null;
  if (tokens[end]?.text === "of" || isOneOf(tokens[end], ways) || isFromSide(tokens, end) || isRange(tokens, end))
    return { kind: "fraction", end };
  if (isRepeated(tokens, end, tokens[unit]!)) return { kind: "fraction", end };
  const isShare =
    isRest ||
    isOneOf(tokens[end], shared) ||
    isFilled(tokens, end) ||
    // "Stronger by a third."
    (tokens[at - 1]?.text === "by" && isAfter(tokens, at, comparatives)) ||
    isOneOf(tokens[at - 1], quantifiers) ||
    isAtMost(tokens, end) ||
    // "A tenth is envy."
    (isOneOf(tokens[end], copulas) && isOneOf(tokens[end + 1], moods)) ||
    (isOneOf(tokens[at - 1], amounts) && tokens[unit]!.text !== "third") ||
    // "Hope, with a fifth, is next."
    (tokens[at - 1]?.text === "with" && isNear(tokens, at, moods)) ||
    // No person is "a quarter", but "a third" may be one.
    (tokens[unit]!.text === "quarter" && (isNear(tokens, at, moods) || isNear(tokens, at, sharedNouns))) ||
    // "Another yawns, and a third, in red, gives up."
    ((isAfter(tokens, at, shareVerbs) || isAfter(tokens, at, sharedNouns)) && !isAfter(tokens, at, others));
  return isShare &&
    (isBare(tokens, end) || isFilled(tokens, end) || isOneOf(tokens[end], receivers) || isAtMost(tokens, end))
    ? { kind: "fraction", end }
    : null;
};

/**
 * "half the weight", "one half joy", "about half goes to", "covers half of the picture"; not "half the crowd", "the
 * lower half"
 */
const half: Rule = (tokens, at) => {
  const isOne = tokens[at]?.text === "one" && tokens[afterHyphen(tokens, at + 1)]?.text === "half";
  const end = (isOne ? afterHyphen(tokens, at + 1) : at) + 1;
  if (tokens[end - 1]?.text !== "half") return null;
  // "A probability of one half", "gloom gets half", "gloom gets a half".
  const first = tokens[at - 1]?.text === "a" ? at - 1 : at;
  const isEarned =
    isBare(tokens, end) && isOneOf(tokens[linkBefore(tokens, first)], shareVerbs) && isNear(tokens, at, moods);
  if (isEarned || ((isOne || first < at) && isLinked(tokens, first, ofIt, probabilityWords)))
    return { kind: "fraction", end };
  const whole = skip(tokens, end, partitives);
  const before = tokens[first - 1];
  if (whole > end) {
    const isShared = [0, 1, 2].some(
      (i) => isOneOf(tokens[whole + i], sharedNouns) || isOneOf(tokens[whole + i], strengths),
    );
    const isExtent =
      isOneOf(tokens[whole], pictures) ||
      (isOneOf(tokens[whole], extents) && tokens[whole - 1]!.text !== "its" && isOfPicture(tokens, whole));
    if (isShared || (isExtent && isOneOf(before, fills))) return { kind: "fraction", end: whole + 1 };
    if (!isBare(tokens, whole)) return null;
  } else if (isOne) return { kind: "fraction", end };
  const isGiven =
    isOneOf(tokens[end], receivers) &&
    !isOneOf(before, regions) &&
    // "Half is gone."
    (tokens[end]!.text !== "is" || isNear(tokens, at, moods) || isNear(tokens, at, sharedNouns));
  const isTaken =
    (whole > end || isBare(tokens, end)) && isOneOf(before, quantifiers) && isNear(tokens, at, shareVerbs);
  const isMixed = isOneOf(tokens[end], moods) || (isOneOf(before, mixes) && isAfter(tokens, at, sharedNouns));
  return isGiven || isTaken || isMixed ? { kind: "fraction", end } : null;
};

/** "splits the weight in thirds", "equal thirds of hope and dread"; not "cut into quarters" */
const divided: Rule = (tokens, at) =>
  isPluralDenominator(tokens[at]) &&
  (isOneOf(tokens[at - 1], evenly) || (isOneOf(tokens[at - 1], intos) && isAfter(tokens, at, divisions))) &&
  (isNear(tokens, at, sharedNouns) || isNear(tokens, at, moods))
    ? { kind: "fraction", end: at + 1 }
    : null;

/** "the quarter mark", "quarter hope", "as quarter of the total"; "the third mark" comes after the second */
const quarter: Rule = (tokens, at) => {
  if (tokens[at]?.text !== "quarter") return null;
  if (isOneOf(tokens[at + 1], moods)) return { kind: "fraction", end: at + 1 };
  const mark = afterHyphen(tokens, at + 1);
  const isOfWhole = tokens[at + 1]?.text === "of" && isOneOf(tokens[skip(tokens, at + 1, partitives)], wholes);
  if (isOfWhole) return { kind: "fraction", end: at + 1 };
  return isOneOf(tokens[mark], markers) ? { kind: "fraction", end: mark + 1 } : null;
};

export const fractionRules: readonly Rule[] = [spelledFraction, unitFraction, half, divided, quarter];

/** "…, a third tired": a word after this third and another third */
function isRepeated(tokens: readonly Token[], end: number, unit: Token): boolean {
  const next = isOneOf(tokens[end + 1], commas) ? end + 2 : end + 1;
  const last = isOneOf(tokens[end - 3], commas) ? end - 4 : end - 3;
  const isSame = (at: number) => tokens[at]?.text === unit.text && isOneOf(tokens[at - 1], articles);
  return tokens[end]?.kind === "word" && (isSame(skip(tokens, next, ands) + 1) || isSame(last - 1));
}

/** "… to a half of", "… or a third" */
function isRange(tokens: readonly Token[], end: number): boolean {
  if (!isOneOf(tokens[end], rangeWords) || !isOneOf(tokens[end + 1], articles)) return false;
  const isFraction = tokens[end + 2]?.text === "half" || isUnitFraction(tokens[end + 2]);
  return isFraction && (tokens[end + 3]?.text === "of" || isBare(tokens, end + 3));
}

/** "… full of sand", "… gone" */
function isFilled(tokens: readonly Token[], end: number): boolean {
  return isOneOf(tokens[end], fillings) && (isBare(tokens, end + 1) || tokens[end + 1]?.text === "of");
}

/** "… of an hour", "… past six", "… to nine" */
function isOfTime(tokens: readonly Token[], end: number): boolean {
  if (isOneOf(tokens[end], clock)) return true;
  if (tokens[end]?.text === "to") return readSpelledNumber(tokens, end + 1) !== null || tokens[end + 1]?.text === "the";
  return tokens[end]?.text === "of" && isOneOf(tokens[skip(tokens, end + 1, articles)], measures);
}

/** Whether "the width" stands alone or is the image's. */
function isOfPicture(tokens: readonly Token[], at: number): boolean {
  return tokens[at + 1]?.text !== "of" || isOneOf(tokens[at + 3], pictures);
}

const articles = wordSet("a an");
const ordinalStarts = wordSet("twenty thirty forty fifty sixty seventy eighty ninety hundred thousand");
const markers = wordSet("mark line point");
const rangeWords = wordSet("to or");
const comparatives = wordSet(
  "stronger weaker more less higher lower greater smaller larger heavier lighter outweighs exceeds leads",
);
const wholes = anyOf(sharedNouns, moods, wordSet("total whole sum picture image frame"));
const evenly = wordSet("equal even");
const intos = wordSet("in into by");
const divisions = wordSet(
  "split splits splitting divide divides divided dividing share shares shared distribute distributed",
);
const sizesOfShare = wordSet("even equal good full mere bare solid small scant rough whole further about");
const ways = wordSet("across down up along below above beneath into inside");
const quantifiers = wordSet(
  "about around nearly almost roughly over under exceed exceeds exceeding reach reaches than most least best barely fully exactly perhaps good",
);
const copulas = wordSet("is was goes");
const amounts = wordSet("by to at of");
const others = wordSet("another second others two");
const receivers = wordSet("to for goes go is belongs comes of each apiece");
const shared = wordSet("each apiece");
const fillings = wordSet("full empty gone done finished");
const commas = wordSet(", ;");
const ands = wordSet("and");
const ofIt = wordSet("of is at");
const strengths = wordSet("strength intensity weight");
const partitives = wordSet("of the this that its my our all what it them i we");
const fills = wordSet(
  "fills covers takes occupies spans fill cover occupy than over about nearly almost roughly least most",
);
const regions = wordSet("left right upper lower top bottom first second front back other near far each either");
const mixes = wordSet("is are feels , and seems");
const clock = wordSet("past before after mile note notes");
const measures = wordSet("hour hours minute minutes second seconds day year century decade mile kilometre kilometer");
const poses = wordSet("view profile length angle portrait turn turned pose sleeve sleeves face");
