import { determiners, hours, matches, moods, probabilityWords, qualities, ratedNouns, sharedNouns } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import {
  anyOf,
  isAfter,
  isBare,
  isHedge,
  isLinked,
  isNear,
  isOneOf,
  linkBefore,
  type Rule,
  skip,
  type Words,
  wordSet,
} from "./rule";
import type { Token } from "./tokens";

/** "probability of one", "confidence is about half", "zero chance" */
const probability: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end ?? (tokens[at]?.text === "half" ? at + 1 : null);
  if (end === null) return null;
  if (isOneOf(tokens[at], zeros) && isOneOf(tokens[end], chances)) return { kind: "probability", end: end + 1 };
  let before = at - 1;
  while (before >= Math.max(0, at - 4) && isOneOf(tokens[before], connectives)) before--;
  const isWhole = isBare(tokens, end) || isOneOf(tokens[end], toWhom);
  return isWhole && before >= 0 && !isNear(tokens, at, matches) && isOneOf(tokens[before], probabilityWords)
    ? { kind: "probability", end }
    : null;
};

/**
 * "the weight on rain is zero", "intensity four of five", "hovers around six on the scale", "pain at level eight"; not
 * "the score is two pages long"
 */
const rated: Rule = (tokens, at) => {
  const number = readSpelledNumber(tokens, at)?.end;
  if (number === undefined) return null;
  const end = (tokens[number]?.text === "of" && readSpelledNumber(tokens, number + 1)?.end) || number;
  if (!(isBare(tokens, end) || isOneOf(tokens[end], toWhom))) return null;
  const isRated = isLinked(tokens, at, links, graded) && !isEvent(tokens, at);
  const isOnScale = isOneOf(tokens[linkBefore(tokens, at)], links) && isNear(tokens, at, scales);
  // "The menace is low, perhaps two.", "The severity is moderate (five)."
  const link = linkBefore(tokens, at);
  const isAdded = isOneOf(tokens[link], asides) && isOneOf(tokens[link - 1], strengths) && isNear(tokens, at, graded);
  // "On level eight" is a floor.
  const isLevel =
    isOneOf(tokens[at - 1], levels) &&
    isOneOf(tokens[at - 2], toLevel) &&
    isNear(tokens, at, anyOf(moods, qualities, sharedNouns));
  const isDialled = isOneOf(tokens[link], links) && isOnDial(tokens, at);
  return isRated || isOnScale || isAdded || isLevel || isDialled || isOneOf(tokens[at - 1], directNouns)
    ? { kind: "probability", end }
    : null;
};

/** "dread would be two", "warmth (about eight)", "nine for joy"; not "one for joy" */
const mood: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  const object = skip(tokens, skip(tokens, end, toMood), possessives);
  const isFor = tokens[at]!.text !== "one" && isOneOf(tokens[end], toMood) && isOneOf(tokens[object], moods);
  let before = at - 1;
  while (before > at - 7 && (isHedge(tokens[before]) || isOneOf(tokens[before], predicates))) before--;
  return isFor || (isBare(tokens, end) && isOneOf(tokens[before], moods)) ? { kind: "probability", end } : null;
};

/** "hope leads by two points", "ten points ahead" of dread; not "two points of light" */
const lead: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  const isLead =
    end !== undefined &&
    isOneOf(tokens[end], leadPoints) &&
    (isBare(tokens, end + 1) || isOneOf(tokens[end + 1], leads));
  return isLead && isNear(tokens, at, moods) && !isNear(tokens, at, matches)
    ? { kind: "probability", end: end + 1 }
    : null;
};

/** "gives it a seven", "rates the dread seven", "put the gloom at six", "call it a strong eight" */
const given: Rule = (tokens, at) => {
  const number = readSpelledNumber(tokens, at)?.end;
  if (number === undefined) return null;
  const end = isOneOf(tokens[number], marks) ? number + 1 : number;
  const isGrade = end === number && isGraded(tokens, at);
  const isRated =
    isAfter(tokens, at, ratings) ||
    (isAfter(tokens, at, gifts) && ((end > number && tokens[end]?.text === "for") || isNear(tokens, at, subjects)));
  const isGiven = isRated && !isOneOf(tokens[at - 1], determiners);
  const isPut =
    isOneOf(tokens[linkBefore(tokens, at)], placements) &&
    isAfter(tokens, at, verdicts) &&
    isNear(tokens, at, subjects);
  // "Give her one" and "a one" are not grades.
  const isVerdict = tokens[at]!.text !== "one" && (isGrade || isGiven);
  const isWhole = (isBare(tokens, end) || isOneOf(tokens[end], toWhom)) && !isNear(tokens, at, matches);
  return isWhole && (isVerdict || isPut) ? { kind: "probability", end } : null;
};

/** "warmth nine, unrest one", "hope: six; fear: four"; not "one red, one blue", "the first two, the other three" */
const listed: Rule = (tokens, at) => {
  const end = entryEnd(tokens, at);
  if (end === null) return null;
  for (let i = end + 1; i < end + 8; i++) if (entryEnd(tokens, i) !== null) return { kind: "probability", end };
  for (let i = at - 2; i > at - 9; i--) if (entryEnd(tokens, i) !== null) return { kind: "probability", end };
  return null;
};

/** "a scale from one to ten", "graded from one to ten", "a ten-point scale" */
const scale: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  if (tokens[end]?.text === "-" && tokens[end + 1]?.text === "point") return { kind: "ratio", end: end + 2 };
  const isScale = isOneOf(tokens[at - 1], scaleLinks) && isOneOf(tokens[at - 2], anyOf(scales, grading));
  const other = isOneOf(tokens[end], rangeLinks) ? readSpelledNumber(tokens, end + 1)?.end : undefined;
  return isScale ? { kind: "ratio", end: other ?? end } : null;
};

/** Rules for numbers that are called scores. */
export const scoreRules: readonly Rule[] = [scale, probability];
/** Rules for small numbers that are scores because of the words around them. */
export const verdictRules: readonly Rule[] = [rated, mood, lead, given, listed];

/** "is an eight", "a strong eight for warmth"; not "rolls a six", "wears a nine". */
function isGraded(tokens: readonly Token[], at: number): boolean {
  const article = isOneOf(tokens[at - 1], strengths) ? at - 2 : at - 1;
  if (!isOneOf(tokens[article], articles) || isOneOf(tokens[article - 1], displays)) return false;
  return isOneOf(tokens[article - 1], copulas) || isNear(tokens, at, subjects);
}

/** "the sarcasm dial to nine"; not "the dial reads nine" */
function isOnDial(tokens: readonly Token[], at: number): boolean {
  for (let i = at - 1; i > at - 7; i--)
    if (isOneOf(tokens[i], dials) && isOneOf(tokens[i - 1], anyOf(moods, qualities))) return true;
  return false;
}

/** "At nine the shop opens", "the home team leads at two", "she is nine". */
function isEvent(tokens: readonly Token[], at: number): boolean {
  const isAge = isOneOf(tokens[linkBefore(tokens, at) - 1], aged);
  return isAge || isNear(tokens, at, hours) || isNear(tokens, at, matches);
}

/** The end of a name and the bare number after it: "warmth nine", "warmth: nine". */
function entryEnd(tokens: readonly Token[], at: number): number | null {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined || !isBare(tokens, end)) return null;
  const name = tokens[isOneOf(tokens[at - 1], equals) ? at - 2 : at - 1];
  // The number after a verb ("carries", "counts") may count things.
  const isName = name?.kind === "word" && name.text.length > 2 && !/[^s]s$/.test(name.text);
  return isName && !isOneOf(name, noNames) && readSpelledNumber([name], 0) === null ? end : null;
}

const aged = wordSet("he she who boy girl son daughter child brother sister twins");
const articles = wordSet("a an");
const strengths = wordSet("solid strong perfect clear low high good weak full firm mere moderate mild severe medium");
const displays = wordSet(
  "roll rolls rolled throw throws threw draw draws drew wear wears wearing show shows showing paint",
);
const copulas = wordSet("is was be it's that's as");
const leadPoints = wordSet("point points");
const leads = wordSet("ahead behind above below clear apart over more less higher lower");
const zeros = wordSet("zero nought naught");
const chances = wordSet("probability likelihood chance chances weight confidence certainty");
const connectives = wordSet(
  "of is at as a an = : about around roughly nearly almost approximately equal equals to near over under being from between was are approaches approaching nears",
);
const links = wordSet(
  "approaches approaching nears is was be at of to as near worth = : equals reaches reached hits hit stands hovers hovering sits sitting between from a an",
);
const scales = wordSet("scale");
const grading = wordSet("graded rated scored marked measured");
const toLevel = wordSet("at to reaches reached hits");
const levels = wordSet("level grade degree");
const dials = wordSet("dial slider needle gauge meter knob");
const asides = wordSet(", (");
const scaleLinks = wordSet("of from to between");
const rangeLinks = wordSet("to and");
const directNouns = wordSet("intensity score rating confidence weight likelihood probability");
const toWhom = wordSet("it it's this to in out that from would");
const ratings = wordSet("rate rates rated rating assign assigns assigned assigning deserve deserves merits");
const gifts = wordSet(
  "give gives given gave giving earn earns receive receives get gets score scores scored award awards",
);
const graded: Words = anyOf(moods, sharedNouns, ratedNouns, qualities);
const subjects: Words = anyOf(graded, wordSet("reading it"));
const possessives = wordSet("the its his her their a plain sheer pure");
const toMood = wordSet("for to on of parts points go goes belong");
const predicates = wordSet(
  "is was be are at of to as near = : , ( - – — → ⇒ ~ ≈ | would should could might may has holds carries gets takes reaches scores a an some sits stands hovers by with equals drops falls rises climbs comes ends lies here there factor level rating score reading",
);
const verdicts = wordSet(
  "put puts putting place places placed placing peg pegs pegged judge judged estimate estimated mark marked call calling say guess reckon go rank ranks set comes sits lands",
);
const placements = wordSet("at as near it a an to");
const marks = wordSet("point points star stars mark marks");
const equals = wordSet(": = - – — ( → ⇒ ~ ≈ |");
const noNames = wordSet(
  "men women people children the this that these those all both his her their its our other last first next only just about around aged number are was were has have had and but for with from into like than then there here out off over under between least most say them him you when where which who",
);
