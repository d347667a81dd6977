import { edges, pictures, sides } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import { afterHyphen, isBare, isOneOf, wordSet } from "./rule";
import type { Token } from "./tokens";

/**
 * The end of a spelled number that measures or names something in the world and so tells nothing of the annotation: an age or
 * another measure ("sixty-year-old"), a year ("nineteen fifty"), a time ("seven thirty"), a name ("platform nine"), or "a hundred" for many.
 */
export function readIdiom(tokens: readonly Token[], at: number): number | null {
  if (isOneOf(tokens[at], roundNumbers)) return isMany(tokens, at) ? at + 1 : null;
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  const unit = afterHyphen(tokens, end);
  if (isOneOf(tokens[unit], units)) return isFromSide(tokens, unit + 1) ? null : unit + 1;
  if (isYear(tokens, at, end) || isTime(tokens, at, end)) return end;
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

/** "nineteen fifty-six", "nineteen-fifty", "in two thousand and twelve" */
function isYear(tokens: readonly Token[], at: number, end: number): boolean {
  const isThousands = tokens[at]!.text === "two" && tokens[at + 1]?.text === "thousand";
  if (isThousands && isOneOf(tokens[at - 1], beforeYear)) return isBare(tokens, end);
  return isOneOf(tokens[at], centuries) && end > at + 1 && isOneOf(tokens[afterHyphen(tokens, at + 1)], tens);
}

/** "at seven thirty", "twenty-five to nine", "forty past" */
function isTime(tokens: readonly Token[], at: number, end: number): boolean {
  if (isOneOf(tokens[end], pastHour)) return true;
  const isBefore = tokens[end]?.text === "to" && isOneOf(tokens[end + 1], hours) && isBare(tokens, end + 2);
  if (isBefore && isOneOf(tokens[end - 1], minutes) && isOneOf(tokens[at - 1], beforeTime)) return true;
  const isHour = isOneOf(tokens[at], hours) && isOneOf(tokens[afterHyphen(tokens, at + 1)], tens);
  return isHour && isOneOf(tokens[at - 1], beforeTime);
}

/** "… from the left", "… in from its top edge", "… from the edge of the frame"; not "… from the edge of the cliff" */
export function isFromSide(tokens: readonly Token[], at: number): boolean {
  const from = isOneOf(tokens[at], inward) ? at + 1 : at;
  if (tokens[from]?.text !== "from") return false;
  const side = [1, 2, 3].find((i) => isOneOf(tokens[from + i], sides));
  if (side === undefined) return false;
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
  "year years yr month months week weeks day days hour hours minute minutes second seconds century centuries something summer summers winter winters decade decades degree degrees foot feet inch inches yard yards mile miles metre metres meter meters centimetre centimetres centimeter centimeters kilometre kilometres kilometer kilometers litre litres liter liters kilo kilos kilogram kilograms pound pounds dollar dollars euro euros cent cents pence penny watt watts storey storeys story stories",
);
const centuries = wordSet("fifteen sixteen seventeen eighteen nineteen twenty");
const minutes = wordSet("five ten twenty");
const beforeYear = wordSet("in since of");
const hours = wordSet("one two three four five six seven eight nine ten eleven twelve");
const tens = wordSet(
  "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
);
const pastHour = wordSet("past o'clock");
const beforeTime = wordSet("at before after until by past around about is reads read says shows the");
const namedByNumber = wordSet(
  "number no route room platform gate track bus tram flat apartment house highway chapter page lane table seat locker pier bay hall act scene day phase round game set team player lap exit area section zone terminal",
);
const notNames = wordSet("percent per pct out pixel pixels point of");
const inward = wordSet("in down up over across away");
