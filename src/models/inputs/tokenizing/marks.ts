/**
 * The text with long runs of combining marks in canonical order. Unicode normalisation orders them too, but in a time
 * that grows with the square of a run's length.
 */
export const withOrderedMarks = (text: string): string => text.replace(longRun, ordered);

/** More marks than any writing system puts on a letter: the bound of Unicode's Stream-Safe Text Format. */
const longRun = /\p{M}{31,}/gu;

function ordered(run: string): string {
  const marks = [...run].flatMap((mark) => [...mark.normalize("NFD")]);
  // Few marks are distinct, so only the kinds are compared, and then each mark goes to its place.
  const kinds = [...new Set(marks)].filter(moves).sort(compare);
  let rank = 0;
  const ranks = new Map(kinds.map((mark, i) => [mark, i > 0 && compare(kinds[i - 1]!, mark) < 0 ? ++rank : rank]));
  const out: string[] = [];
  let places: string[][] = [];
  const flush = () => {
    for (const place of places) for (const mark of place ?? []) out.push(mark);
    places = [];
  };
  for (const mark of marks) {
    const own = ranks.get(mark);
    if (own === undefined) {
      flush();
      out.push(mark);
    } else (places[own] ??= []).push(mark);
  }
  flush();
  return out.join("");
}

/** Two marks: one of a low class, one of a high class. */
const [low, high] = ["\u0334", "\u0301"];

/** Whether a mark changes places with others; a mark of class 0 stays, and separates those around it. */
const moves = (mark: string) => compare(low, mark) !== 0 || compare(high, mark) !== 0;

/** Compares classes: normalisation swaps two marks if the first has the higher one. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  if ((a + b).normalize("NFD") === b + a) return 1;
  return (b + a).normalize("NFD") === a + b ? -1 : 0;
}
