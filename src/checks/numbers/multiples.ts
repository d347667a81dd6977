import { moods, pictures, sharedNouns, weighing } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import { afterHyphen, isBare, isNear, isOneOf, type Rule, skip, wordSet } from "./rule";
import type { Token } from "./tokens";

/**
 * "twice as likely", "nine times stronger", "half as strong", "half as wide as the picture"; not "twice as tall",
 * "three times the size"
 */
const multiple: Rule = (tokens, at) => {
  const times = timesEnd(tokens, at);
  const from = times ?? (tokens[at]?.text === "half" && tokens[at + 1]?.text === "as" ? at + 1 : null);
  if (from === null) return null;
  // "Double the boredom."
  if (tokens[from]?.text === "the" && isOneOf(tokens[from + 1], moods)) return { kind: "ratio", end: from + 2 };
  if (isSizeOfPicture(tokens, from)) return { kind: "coordinates", end: from + 5 };
  const isTimes = isOneOf(tokens[from - 1], timesWords);
  for (let i = from; i < from + 4 && tokens[i]?.kind === "word" && !isOneOf(tokens[i], sizes); i++) {
    const isCompared = isTimes && (isOneOf(tokens[i], comparisons) || tokens[i + 1]?.text === "than");
    if (isCompared || isOneOf(tokens[i], strengths)) return { kind: "ratio", end: i + 1 };
  }
  return null;
};

/** "hope counts double", "hope is twice dread", "half that … hope"; not "half that … boat" */
const ofMood: Rule = (tokens, at) => {
  const from = timesEnd(tokens, at);
  const end = from ?? at + 1;
  if (from === null && tokens[at]?.text !== "half") return null;
  const isThatOf = tokens[end]?.text === "that" && tokens[end + 1]?.text === "of";
  if (isThatOf && isOneOf(tokens[skip(tokens, end + 2, articles)], moods)) return { kind: "ratio", end: end + 2 };
  if (from === null) return null;
  const isWhole = isBare(tokens, end) || isOneOf(tokens[end], compared);
  const isCounted = isOneOf(tokens[at - 1], counting) && isWhole && isNear(tokens, at, moods);
  return isCounted || (isOneOf(tokens[at - 1], copulas) && isOneOf(tokens[end], moods)) ? { kind: "ratio", end } : null;
};

/** "outweighs it threefold", "a ten-fold lead of hope"; not "a threefold amen" */
const fold: Rule = (tokens, at) => {
  const number = readSpelledNumber(tokens, at)?.end;
  const isJoined = tokens[at]!.kind === "word" && readFold(tokens[at]!);
  const end = isJoined ? at + 1 : number && afterHyphen(tokens, number) + 1;
  if (!end || !(isJoined || tokens[end - 1]?.text === "fold")) return null;
  return foldHints.some((words) => isNear(tokens, at, words)) ? { kind: "ratio", end } : null;
};

/** "by a factor of three" */
const factor: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  const isFactor = tokens[at - 1]?.text === "of" && tokens[at - 2]?.text === "factor";
  return end !== undefined && isFactor ? { kind: "ratio", end } : null;
};

/** Rules for how many times as strong one thing is as another. */
export const multipleRules: readonly Rule[] = [multiple, ofMood, fold, factor];

/** The position after "nine times", "two time" more, "one and a half times", "twice". */
function timesEnd(tokens: readonly Token[], at: number): number | null {
  if (isOneOf(tokens[at], multiples)) return at + 1;
  const number = readSpelledNumber(tokens, at)?.end;
  const times = number && pastHalf(tokens, number);
  if (!times) return null;
  const isSingular =
    tokens[times]?.text === "time" && tokens[at]!.text !== "one" && isOneOf(tokens[times + 1], comparisons);
  return isSingular || tokens[times]?.text === "times" ? times + 1 : null;
}

/** "… as wide as the picture" */
function isSizeOfPicture(tokens: readonly Token[], at: number): boolean {
  const [as, size, than, the, picture] = [0, 1, 2, 3, 4].map((by) => tokens[at + by]);
  const isCompared = as?.text === "as" && isOneOf(size, sizes) && than?.text === "as" && the?.text === "the";
  return isCompared && isOneOf(picture, pictures);
}

/** The position after "and a half", if it stands there. */
function pastHalf(tokens: readonly Token[], at: number): number {
  let end = at;
  for (const word of ["and", "a", "half"]) {
    end = afterHyphen(tokens, end);
    if (tokens[end]?.text !== word) return at;
    end++;
  }
  return end;
}

function readFold(token: Token): boolean {
  const [, number] = /^(.+)fold$/.exec(token.text) ?? [];
  return number !== undefined && readSpelledNumber([{ ...token, text: number }], 0) !== null;
}

const multiples = wordSet(
  "twice thrice double triple treble quadruple quintuple twofold threefold fourfold fivefold tenfold",
);
const compared = wordSet("compared relative as than against");
const copulas = wordSet("is was be feels seems");
const counting = wordSet("count counts counted weigh weighs weighed");
const articles = wordSet("a an the");
const strengths = wordSet(
  "strong stronger strongly likely likelier probable intense intensely much powerful weight likelihood probability chance chances share strength intensity pronounced prominent heavily plausible convincing dominant noticeable evident obvious salient",
);
const timesWords = wordSet("time times");
const comparisons = wordSet("more less");
const sizes = wordSet(
  "tall taller big bigger large larger wide wider high higher long longer deep deeper thick thicker old older size height width length",
);
const foldHints = [moods, sharedNouns, strengths, weighing];
