import { scanNumber, skipSpace } from "./scan";

/** A label as it is written, and its number. */
export interface Entry {
  readonly key: string;
  readonly value: number;
  readonly repairs: readonly string[];
}

export const singleQuotes = /['‘’`]/;
export const doubleQuotes = /["“”]/;

/** Reads a number, perhaps quoted, perhaps a percentage. */
export function readValue(text: string, start: number) {
  const first = text[start] ?? "";
  const quotes = singleQuotes.test(first) ? singleQuotes : doubleQuotes.test(first) ? doubleQuotes : null;
  const number = scanNumber(text, quotes ? skipSpace(text, start + 1) : start);
  if (!number || Number.isNaN(number.value)) return { value: null, repairs: [], end: number?.end ?? start };
  const repairs = quotes ? ["numbers in quotes"] : [];
  let { value, end } = number;
  const sign = skipSpace(text, end);
  if (text[sign] === "%") {
    value /= 100;
    repairs.push("percentages");
    end = sign + 1;
  }
  if (!quotes) return { value, repairs, end };
  const closing = skipSpace(text, end);
  return quotes.test(text[closing] ?? "")
    ? { value, repairs, end: closing + 1 }
    : { value: null, repairs: [], end: closing };
}
