/**
 * The same text with long runs of combining marks in canonical order. Unicode normalisation puts them in that order
 * anyway, in a time that grows with the square of a run's length where they are in another.
 */
export const withOrderedMarks = (text: string): string => text.replace(longRun, ordered);

/** More marks than any writing system puts on a letter: the bound of Unicode's Stream-Safe Text Format. */
const longRun = /\p{M}{31,}/gu;

function ordered(run: string): string {
  const marks = [...run].flatMap((mark) => [...mark.normalize("NFD")]);
  // Few are distinct: their order is asked once, then each goes to its place.
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

/** Marks of two classes: the first of a low one, the second of a high one. */
const [low, high] = ["\u0334", "\u0301"];

/** Whether others may pass it; a mark of class 0 stays where it is, and all others on their side. */
const moves = (mark: string) => compare(low, mark) !== 0 || compare(high, mark) !== 0;

/** By class: normalisation exchanges two of which the first has the higher one. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  if ((a + b).normalize("NFD") === b + a) return 1;
  return (b + a).normalize("NFD") === a + b ? -1 : 0;
}
