/**
 * A number without sign of grouping: "0.10", ".5", "1.", "-3", "1e-3". Every part after the first is optional, so it
 * cannot backtrack.
 */
const number = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;

/** "000" is the rest of "1,000", and what "010" means nobody knows. */
const leadingZero = /^[+-]?0\d/;

/**
 * The number that starts exactly at `at`; its value is NaN where it has a leading zero.
 *
 * Digits that are refused are passed over with the rest, since a caller that went on at the next digit would read them
 * n times.
 */
export function scanNumber(text: string, at: number): { readonly value: number; readonly end: number } | null {
  number.lastIndex = at;
  const match = number.exec(text);
  return match && { value: leadingZero.test(match[0]) ? Number.NaN : Number(match[0]), end: at + match[0].length };
}

/** The first position from `at` that is not white space. */
export function skipSpace(text: string, at: number): number {
  let end = at;
  while (end < text.length && /\s/.test(text[end]!)) end++;
  return end;
}
