import { determiners, matches, moods, people, probabilityWords, weighing } from "./lexicon";
import { multipleRules } from "./multiples";
import { readOrdinal, readSpelledNumber } from "./number-words";
import { afterHyphen, type Find, isBare, isNear, isOneOf, quantityEnd, type Rule, skip, wordSet } from "./rule";
import type { Token } from "./tokens";

/**
 * "80 %", "eighty-five percent", "ten per cent", "two permille", "a few percent"; not "a high percentage", "a percent
 * sign"
 */
const percent: Rule = (tokens, at) => {
  const number = quantityEnd(tokens, at);
  const sign = number === null ? at : afterHyphen(tokens, number);
  const cent = tokens[sign]?.text === "per" ? afterHyphen(tokens, sign + 1) : sign;
  const end = (cent > sign && isOneOf(tokens[cent], perWords) ? cent : sign) + 1;
  const isSign = end > sign + 1 || isOneOf(tokens[sign], number === null ? percentSigns : percentWords);
  return isSign && !isOneOf(tokens[end], signNouns) ? { kind: "percent", end } : null;
};

/** "a likelihood in the high nineties"; not "a woman in her nineties" */
const decade: Rule = (tokens, at) =>
  isOneOf(tokens[at], decades) &&
  !isOneOf(tokens[at - 1], whose) &&
  !isOneOf(tokens[at - 2], whose) &&
  !isOneOf(tokens[at - 3], whose) &&
  (isNear(tokens, at, probabilityWords) || isNear(tokens, at, percentWords))
    ? { kind: "percent", end: at + 1 }
    : null;

/**
 * "8/10", "eight out of ten", "an eight-out-of-ten", "out of ten viewers", "three parts in four", "one in a hundred"
 */
const ratio: Rule = (tokens, at) => {
  const outOf = outOfEnd(tokens, at);
  if (outOf !== null) {
    const whole = skip(tokens, outOf, everyWords);
    return isOneOf(tokens[whole], roundNumbers) ? { kind: "ratio", end: whole + 1 } : null;
  }
  // "Every third viewer".
  const ordinal = isOneOf(tokens[at], everyWords) ? readOrdinal(tokens, at + 1) : null;
  if (ordinal && isOneOf(tokens[ordinal.end], people)) return { kind: "ratio", end: ordinal.end };
  const number = quantityEnd(tokens, at);
  if (number === null) return null;
  if (tokens[at - 2]?.text === "for" && isOneOf(tokens[at - 1], everyWords)) return { kind: "ratio", end: number };
  const end = afterHyphen(tokens, isOneOf(tokens[number], portions) ? number + 1 : number);
  const from = outOfEnd(tokens, end);
  if (from !== null) return endOfRatio(tokens, skip(tokens, from, everyWords));
  const next = tokens[end]?.text;
  if (next === "/" && tokens[end + 1]?.kind === "number") return { kind: "ratio", end: end + 2 };
  if (next === "of") {
    const whole = skip(tokens, end + 1, everyWords);
    // "Four of every five."
    if (whole > end + 1) return endOfRatio(tokens, whole);
    return isOneOf(tokens[whole], roundNumbers) && tokens[at]!.text !== "one"
      ? { kind: "ratio", end: whole + 1 }
      : null;
  }
  return next === "in" ? endOfProportion(tokens, afterHyphen(tokens, end + 1)) : null;
};

/** "of the ten annotators, seven"; not "of the ten people, two", who may be in the picture */
const ofPeople: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], among)) return null;
  const whole = readSpelledNumber(tokens, skip(tokens, at + 1, theWords))?.end;
  if (whole === undefined || !isOneOf(tokens[whole], asked)) return null;
  const comma = tokens[whole + 1]?.text === "," ? whole + 2 : whole + 1;
  const part = readSpelledNumber(tokens, comma)?.end;
  return part !== undefined ? { kind: "ratio", end: part } : null;
};

/**
 * "hope ranks first out of eight", "fear is number eight of eight", "fifth of the seven options"; not "third out of
 * nine runners", "the third of five sisters"
 */
const rank: Rule = (tokens, at) => {
  const isNumbered = isOneOf(tokens[at - 1], ranks);
  const rankEnd = (isNumbered ? readSpelledNumber(tokens, at) : readOrdinal(tokens, at))?.end;
  if (rankEnd === undefined) return null;
  const isPlace = isOneOf(tokens[rankEnd], ranks);
  const from = isPlace ? rankEnd + 1 : rankEnd;
  const outOf = outOfEnd(tokens, from);
  const of = outOf ?? (tokens[from]?.text === "of" ? from + 1 : null);
  const end = of === null ? undefined : readSpelledNumber(tokens, skip(tokens, of, theWords))?.end;
  if (end === undefined) return null;
  const isRanked = outOf !== null || isNumbered || isPlace;
  const isWhole = isBare(tokens, end) || isOneOf(tokens[end], inWhat);
  const isOfOptions = [moods, candidates].some((words) => isNear(tokens, at, words));
  return isOneOf(tokens[end], candidates) || (isRanked && isWhole && isOfOptions) ? { kind: "ratio", end } : null;
};

/** "outweighs it two to one", "four to one that …", "one over four of"; not "ten to eight", "from one to three" */
const odds: Rule = (tokens, at) => {
  const first = readSpelledNumber(tokens, at)?.end;
  if (first === undefined || tokens[at - 1]?.text === "from" || isNear(tokens, at, matches)) return null;
  const to = afterHyphen(tokens, first);
  const second = isOneOf(tokens[to], against) ? afterHyphen(tokens, to + 1) : null;
  const end = second === null ? undefined : readSpelledNumber(tokens, second)?.end;
  if (end === undefined) return null;
  // "Ten to one, they laugh."
  const opens = isOneOf(tokens[at - 1], sentenceEnds) || at === 0;
  const isBet =
    tokens[second!]!.text === "one" &&
    (isOneOf(tokens[end], bets) || (opens && tokens[to]!.text === "to" && tokens[end]?.text === ","));
  const isFraction = tokens[to]!.text === "over" && tokens[end]?.text === "of";
  const isWeighed =
    (isBare(tokens, end) || isOneOf(tokens[end], bets)) &&
    (tokens[at - 1]?.text === "by" || isNear(tokens, at, weighing));
  return isBet || isFraction || isWeighed ? { kind: "ratio", end } : null;
};

/** "three parts awe and one part dread"; not "in three parts" */
const parts: Rule = (tokens, at) => {
  const end = partsEnd(tokens, at);
  if (end === null) return null;
  for (let i = end + 1; i < end + 7; i++) if (partsEnd(tokens, i) !== null) return { kind: "ratio", end };
  return null;
};

/** Rules for shares and strengths as one number beside another. */
export const ratioRules: readonly Rule[] = [percent, decade, ratio, ofPeople, rank, odds, ...multipleRules, parts];

/** The position after "out of", "out-of-". */
function outOfEnd(tokens: readonly Token[], at: number): number | null {
  const of = afterHyphen(tokens, at + 1);
  return tokens[at]?.text === "out" && tokens[of]?.text === "of" ? afterHyphen(tokens, of + 1) : null;
}

function endOfRatio(tokens: readonly Token[], at: number): Find | null {
  const end = quantityEnd(tokens, at);
  return end === null ? null : { kind: "ratio", end };
}

/** "one in five", "one in every hundred", "one in three viewers" */
function endOfProportion(tokens: readonly Token[], at: number): Find | null {
  const second = isOneOf(tokens[at], everyWords) ? at + 1 : at;
  if (isOneOf(tokens[second], roundNumbers)) return { kind: "ratio", end: second + 1 };
  // "One in five" is a ratio; "two in three rows", "two in one" and "one in a million" are not.
  const whole = isOneOf(tokens[second], noWholes) ? undefined : readSpelledNumber(tokens, second)?.end;
  const isWhole = (of: number) =>
    [people, bets, determiners].some((words) => isOneOf(tokens[of], words)) || isBare(tokens, of);
  return whole !== undefined && isWhole(whole) ? { kind: "ratio", end: whole } : null;
}

/** The end of "three parts" before the thing that has the parts. */
function partsEnd(tokens: readonly Token[], at: number): number | null {
  const number = readSpelledNumber(tokens, at)?.end;
  if (number === undefined || !isOneOf(tokens[number], partWords)) return null;
  return tokens[number + 1]?.kind === "word" && !isOneOf(tokens[number + 1], afterPieces) ? number + 1 : null;
}

const percentSigns = wordSet("percent");
const percentWords = wordSet("% ％ ‰ percent pct percentage permille promille");
const perWords = wordSet("cent mille thousand");
const signNouns = wordSet("sign signs symbol symbols key");
const decades = wordSet("twenties thirties forties fifties sixties seventies eighties nineties");
const whose = wordSet("his her their my our");
const roundNumbers = wordSet("ten hundred thousand 10 100 1000");
const noWholes = wordSet("one million");
const everyWords = wordSet("a every each");
const theWords = wordSet("the our these those all");
const among = wordSet("of among from");
const ranks = wordSet("number rank place");
const inWhat = wordSet("in among");
const asked = wordSet("viewers observers annotators raters respondents readers judges voters");
const candidates = wordSet(
  "options option emotions moods feelings classes labels categories candidates reactions choices possibilities",
);
const portions: ReadonlySet<string> = new Set([
  ...people,
  ..."part parts chance chances case cases time times".split(" "),
]);
const against = wordSet("to against versus vs over :");
const sentenceEnds = wordSet(". ! ?");
const bets = wordSet("that in against on for over between would might could may will chance split margin ratio odds");
const partWords = wordSet("part parts");
const afterPieces = wordSet("of is are was were and or in on that which with lie lies to from");
