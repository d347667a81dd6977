import type { Token } from "./tokens";

/** A run of number words, `tokens[start … end)`. */
export interface SpelledNumber {
  readonly end: number;
  /** Whether it is more than twenty: nobody counts that many things at a glance. */
  readonly large: boolean;
}

const small = new Set(
  "zero nought naught one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split(
    " ",
  ),
);
const large = new Set(
  "thirty forty fourty fifty sixty seventy eighty ninety hundred thousand million billion".split(" "),
);
const magnitudes = new Set(["hundred", "thousand", "million", "billion"]);
const smallOrdinals = new Set(
  "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split(
    " ",
  ),
);
/** Without "half" and "second", which have more meanings than "third" and "tenth". */
const denominators = new Set(["quarter", ...[...smallOrdinals].slice(2), "hundredth", "thousandth"]);
const pluralDenominators = new Set([...denominators].map((word) => `${word}s`));
const largeOrdinals = new Set(
  "thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth thousandth".split(" "),
);

/** Reads "eight", "eighty-five", "one hundred and twenty" starting at token `start`. */
export function readSpelledNumber(tokens: readonly Token[], start: number): SpelledNumber | null {
  let end = start;
  let isLarge = false;
  for (let at = start; ; ) {
    const word = tokens[at]?.text ?? "";
    if (!small.has(word) && !large.has(word)) break;
    isLarge ||= large.has(word) || (word !== "twenty" && end > start && tokens[end - 1]?.text === "twenty");
    end = at + 1;
    const joiner = tokens[end]?.text;
    at = end + (joiner === "-" || (joiner === "and" && magnitudes.has(word)) ? 1 : 0);
  }
  return end > start ? { end, large: isLarge } : null;
}

/** Reads "third", "fortieth", "twenty-first", "two hundredth" starting at token `start`. */
export function readOrdinal(tokens: readonly Token[], start: number): SpelledNumber | null {
  const number = readSpelledNumber(tokens, start);
  const end = number?.end ?? start;
  const at = number && (tokens[end]?.text === "-" || tokens[end]?.text === "and") ? end + 1 : end;
  const word = tokens[at]?.text ?? "";
  const isLarge = largeOrdinals.has(word);
  if (!isLarge && !smallOrdinals.has(word)) return null;
  return { end: at + 1, large: isLarge || number !== null };
}

/** "third", "quarter", … as in "a third of" and "one third". */
export function isUnitFraction(token: Token | undefined): boolean {
  return token !== undefined && denominators.has(token.text);
}

/** "thirds", "quarters", … as in "two thirds". */
export function isPluralDenominator(token: Token | undefined): boolean {
  return token !== undefined && pluralDenominators.has(token.text);
}
