import { determiners, edges, moods, pictures, probabilityWords, sides } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import { afterHyphen, anyOf, isBare, isNear, isOneOf, linkBefore, wordSet } from "./rule";
import type { Token } from "./tokens";

/**
 * The end of a spelled number that measures or names something in the world, and so does not reveal the annotation: an
 * age or another measure ("sixty-year-old"), a year ("nineteen fifty"), a time ("seven thirty"), a name ("platform
 * nine"), or "a hundred" for many.
 */
export function readIdiom(tokens: readonly Token[], at: number): number | null {
  if (isOneOf(tokens[at], roundNumbers)) return isMany(tokens, at) ? at + 1 : null;
  const saying = sayings.find((words) => words.every((word, i) => tokens[at + i]?.text === word));
  if (saying) return at + saying.length;
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  const unit = afterHyphen(tokens, end);
  if (isOneOf(tokens[unit], units)) return isFromSide(tokens, unit + 1) ? null : unit + 1;
  if (isYear(tokens, at, end) || isTime(tokens, at, end) || isAge(tokens, at, end)) return end;
  return isOneOf(tokens[at - 1], namedByNumber) && !isOneOf(tokens[end], notNames) ? end : null;
}

/** "a hundred lanterns", "several thousand people"; not "a hundred pixels", "a hundred, …" */
function isMany(tokens: readonly Token[], at: number): boolean {
  // "One in a million."
  if (tokens[at]!.text === "million" && tokens[at - 2]?.text === "in") return true;
  const thing = tokens[afterHyphen(tokens, at + 1)];
  return (
    isOneOf(tokens[at - 1], few) && thing?.kind === "word" && !isOneOf(thing, notMany) && !readSpelledNumber([thing], 0)
  );
}

/**
 * "a man of fifty", "she looks about forty", "has turned thirty"; not "he is forty percent", "she seems sixty-forty"
 */
function isAge(tokens: readonly Token[], at: number, end: number): boolean {
  if (!isOneOf(tokens[at], tens) || end > at + 3 || isNear(tokens, at, probabilityWords)) return false;
  const link = linkBefore(tokens, at);
  const whose = isOneOf(tokens[link], beforeAge) ? link - 1 : link;
  if (link < at - 1 || whose < link) {
    if (isOneOf(tokens[whose], adults) && !isOneOf(tokens[end], notNames)) return true;
  }
  const isWhole = isBare(tokens, end) && !isOneOf(tokens[end], dashes) && !isNear(tokens, at, moods);
  let who = link - 1;
  while (who > link - 4 && isOneOf(tokens[who], auxiliaries)) who--;
  const isSaid = isOneOf(tokens[link], copulas) && isOneOf(tokens[who], aged);
  return isWhole && (isSaid || isOneOf(tokens[link], ageing));
}

/** "nineteen fifty-six", "nineteen-fifty", "in two thousand and twelve" */
function isYear(tokens: readonly Token[], at: number, end: number): boolean {
  const isThousands = tokens[at]!.text === "two" && tokens[at + 1]?.text === "thousand";
  if (isThousands && isOneOf(tokens[at - 1], beforeYear)) return isBare(tokens, end);
  const isHundreds = isOneOf(tokens[at], centuries) && tokens[at + 1]?.text === "hundred";
  if (isHundreds && isOneOf(tokens[at - 1], beforeYear))
    return isBare(tokens, end) || isOneOf(tokens[end], determiners);
  return isOneOf(tokens[at], centuries) && end > at + 1 && isOneOf(tokens[afterHyphen(tokens, at + 1)], tens);
}

/** "at seven thirty", "twenty-five to nine", "forty past" */
function isTime(tokens: readonly Token[], at: number, end: number): boolean {
  if (isOneOf(tokens[end], pastHour)) return true;
  const isBefore = tokens[end]?.text === "to" && isOneOf(tokens[end + 1], hours) && isBare(tokens, end + 2);
  if (isBefore && isOneOf(tokens[end - 1], minutes) && isOneOf(tokens[at - 1], beforeTime)) return true;
  const isHour = isOneOf(tokens[at], hours) && isOneOf(tokens[afterHyphen(tokens, at + 1)], tens);
  // "Six thirty, and nobody is up."
  const opens = at === 0 || isOneOf(tokens[at - 1], sentenceEnds);
  return isHour && (isOneOf(tokens[at - 1], beforeTime) || (opens && tokens[end]?.text === ","));
}

/** "… from the left", "… in from its top edge", "… from the edge of the frame"; not "… from the edge of the cliff" */
export function isFromSide(tokens: readonly Token[], at: number): boolean {
  const from = isOneOf(tokens[at], inward) ? at + 1 : at;
  if (tokens[from]?.text !== "from") return false;
  const side = [1, 2, 3].find((i) => isOneOf(tokens[from + i], sides));
  if (side === undefined) return false;
  // "From the left wall", "from the right team".
  if (isOneOf(tokens[from + side + 1], onASide)) return false;
  const edge = isOneOf(tokens[from + side + 1], edges) ? from + side + 1 : from + side;
  if (tokens[edge + 1]?.text === "of") return isOneOf(tokens[edge + 3], pictures);
  return edge > from + side || !isOneOf(tokens[edge], edges) || isOneOf(tokens[edge - 1], pictures);
}

const roundNumbers = wordSet("hundred thousand million billion");
const few = wordSet("a several few many some");
const notMany = wordSet(
  "percent pct per percentage point points pixel pixels px units and to for from by in on at or out of is was are but because as so with",
);
const units = wordSet(
  "year years yr month months week weeks day days hour hours minute minutes second seconds century centuries something summer summers winter winters decade decades degree degrees foot feet inch inches yard yards mile miles league leagues metre metres meter meters centimetre centimetres centimeter centimeters kilometre kilometres kilometer kilometers litre litres liter liters kilo kilos gram grams ton tons tonne tonnes acre acres hectare hectares ounce ounces gallon gallons pint pints knot knots kilogram kilograms pound pounds dollar dollars buck bucks rupee rupees yen euro euros cent cents pence penny watt watts storey storeys story stories",
);
const centuries = wordSet("fifteen sixteen seventeen eighteen nineteen twenty");
const minutes = wordSet("five ten twenty");
const beforeYear = wordSet("in since of");
const dashes = wordSet("– — / :");
const ageing = wordSet("pushing nearing turn turns turned turning aged");
const beforeAge = wordSet("of over past");
const auxiliaries = wordSet("might may must could should would will seems to probably likely");
const copulas = wordSet("is was be looks seems looked");
const adults = wordSet("man woman lady gentleman guy person someone anyone everyone those");
const aged = anyOf(adults, wordSet("he she who"));
/** Sayings with a number above twenty that does not count anything. */
const sayings = ["forty winks", "twenty - four seven", "twenty - four - seven", "twenty four seven"].map((saying) =>
  saying.split(" "),
);
const hours = wordSet("one two three four five six seven eight nine ten eleven twelve");
const tens = wordSet(
  "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
);
const pastHour = wordSet("past o'clock");
const sentenceEnds = wordSet(". ! ?");
const beforeTime = wordSet("at before after until by past around about is it's reads read says shows the");
const namedByNumber = wordSet(
  "number no route room platform gate track bus tram flat apartment house highway chapter page lane table seat locker pier bay hall act scene day phase round game set team player lap exit area section zone terminal studio boeing airbus flight psalm verse volume episode apollo pier limit catch channel precinct",
);
const notNames = wordSet("percent per pct out pixel pixels point of");
const onASide = wordSet("wall door window team bank wing hand lane tree house shore seat");
const inward = wordSet("in down up over across away");
