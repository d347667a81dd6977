/**
 * A number without sign of grouping: "0.10", ".5", "1.", "-3", "1e-3". Every part after the first is optional, so it
 * cannot backtrack.
 */
const number = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;

/** A leading zero is refused: "000" is the rest of "1,000", and the meaning of "010" is unknown. */
const leadingZero = /^[+-]?0\d/;

/**
 * The number that starts exactly at `at`; its value is NaN where it has a leading zero.
 *
 * Refused digits are skipped together: a caller that resumed at the next digit would read them n times.
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
