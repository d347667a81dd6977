import { determiners, edges, moods, pictures, probabilityWords, sides } from "./lexicon";
import {
  any,
  anyOf,
  anyToken,
  aWord,
  bare,
  before,
  far,
  hyphen,
  isOneOf,
  last,
  linkedBy,
  near,
  next,
  not,
  number,
  opens,
  type Step,
  seq,
  starts,
  wordSet,
} from "./rule";
import type { Token } from "./tokens";

const roundNumbers = wordSet("hundred thousand million billion");
const few = wordSet("a several few many some");
const notMany = wordSet(
  "percent pct per percentage point points pixel pixels px units and to for from by in on at or out of is was are but because as so with",
);
const units = wordSet(
  "year years yr month months week weeks day days hour hours minute minutes second seconds century centuries something summer summers winter winters decade decades degree degrees foot feet inch inches yard yards mile miles league leagues metre metres meter meters centimetre centimetres centimeter centimeters kilometre kilometres kilometer kilometers litre litres liter liters kilo kilos gram grams ton tons tonne tonnes acre acres hectare hectares ounce ounces gallon gallons pint pints knot knots kilogram kilograms pound pounds dollar dollars buck bucks rupee rupees yen euro euros cent cents pence penny watt watts storey storeys story stories",
);
const centuries = wordSet("fifteen sixteen seventeen eighteen nineteen twenty");
const beforeYear = wordSet("in since of");
const copulas = wordSet("is was be looks seems looked");
const auxiliaries = wordSet("might may must could should would will seems to probably likely");
const adults = wordSet("man woman lady gentleman guy person someone anyone everyone those");
const aged = anyOf(adults, wordSet("he she who"));
const hours = wordSet("one two three four five six seven eight nine ten eleven twelve");
const tens = wordSet(
  "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
);
const beforeTime = wordSet("at before after until by past around about is it's reads read says shows the");
export const namedByNumber = wordSet(
  "number no route room platform gate track bus tram flat apartment house highway chapter page lane table seat locker pier bay hall act scene day phase round game set team player lap exit area section zone terminal studio boeing airbus flight psalm verse volume episode apollo limit catch channel precinct interstate motorway avenue junction sector district squadron regiment jersey cabin suite aisle booth sonnet symphony opus amendment mission",
);
const clothes = wordSet("shoe shoes boot boots sneakers slippers dress shirt trousers jeans jacket coat hat ring feet");
const notNames = wordSet("percent per pct out pixel pixels point of");
const onASide = wordSet("wall door window team bank wing hand lane tree house shore seat");

/** "… from the left", "… in from its top edge", "… from the edge of the frame"; not "… from the edge of the cliff" */
export const fromSide: Step = (tokens, at) => (isFromSide(tokens, at) ? at : null);

function isFromSide(tokens: readonly Token[], at: number): boolean {
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

const inward = wordSet("in down up over across away");

/** "a hundred lanterns", "several thousand people", "one in a million"; not "a hundred pixels", "a hundred, …" */
const many = seq(
  roundNumbers,
  any(seq(starts("million"), before("in", anyToken)), seq(before(few), next(hyphen, not(notMany), not(number), aWord))),
);

/** "nineteen fifty-six", "nineteen-fifty", "in two thousand and twelve" */
const year = any(
  seq(before(beforeYear), starts("two", "thousand"), bare),
  seq(before(beforeYear), starts(centuries, "hundred"), any(bare, next(determiners))),
  starts(centuries, hyphen, tens),
);

/** "forty past", "twenty-five to nine", "at seven thirty", "six thirty, and nobody is up" */
const time = any(
  next("past o'clock"),
  seq(before(beforeTime), last("five ten twenty"), next("to", hours, bare)),
  seq(starts(hours, hyphen, tens), any(before(beforeTime), seq(opens, next(",")))),
);

/** "she looks", "who might be" */
const said: Step = (tokens, at) => {
  let who = at - 1;
  while (who > at - 4 && isOneOf(tokens[who], auxiliaries)) who--;
  return isOneOf(tokens[at], copulas) && isOneOf(tokens[who], aged) ? at + 1 : null;
};

/**
 * "a man of fifty", "she looks about forty", "has turned thirty"; not "he is forty percent", "she seems sixty-forty"
 */
const age = seq(
  starts(tens),
  (_, at, start) => (at <= start + 3 ? at : null),
  far(probabilityWords),
  any(
    seq(any(linkedBy(adults, "of over past"), seq(linkedBy(adults), not(before(adults)))), not(notNames)),
    seq(
      bare,
      not("– — / :"),
      far(moods),
      any(linkedBy("pushing nearing turn turns turned turning aged"), linkedBy(said)),
    ),
  ),
);

/** "platform nine", "shoes of size forty" */
const named = any(before(namedByNumber), seq(before("size"), near(clothes)));

/**
 * The end of a spelled number that measures or names something in the world, and so does not reveal the annotation: an
 * age or another measure ("sixty-year-old"), a year ("nineteen fifty"), a time ("seven thirty"), a name ("platform
 * nine"), or "a hundred" for many.
 */
export const idiom = any(
  many,
  // Sayings with a number above twenty that does not count anything.
  seq("forty", "winks"),
  seq("twenty", hyphen, "four", hyphen, "seven"),
  seq(not(roundNumbers), number, hyphen, units, not(fromSide)),
  seq(not(roundNumbers), number, not(hyphen, units), any(year, time, age, seq(named, not(notNames)))),
);
