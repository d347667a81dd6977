import { once } from "../options/once";

/**
 * The marks that end a sentence, by Unicode (Sentence_Terminal: . ! ? 。！？ । ؟ ۔ ። ។ …), with the ellipsis and Tibetan's
 * stroke.
 */
const terminator = /[\p{Sentence_Terminal}…།༎]/gu;

/** Scripts that end a sentence with a space, or without any mark. */
const unmarked = /[\p{Script=Thai}\p{Script=Lao}]/u;

/**
 * Cuts a text into words, with a dictionary for scripts without spaces, which loads slowly. "und" (no language) keeps
 * the machine's settings out.
 */
const segmenter = once(() => new Intl.Segmenter("und", { granularity: "word" }));

/**
 * Whether a text has a full sentence of at least `least` words, in any language; in linear time.
 *
 * Unicode says which marks end a sentence; Thai and Lao do not write any. `Intl.Segmenter` could find sentences, but
 * its time grows with the square of their number.
 */
export function hasSentence(text: string, least: number): boolean {
  let start = 0;
  for (const { index } of text.matchAll(terminator)) {
    if (hasWords(text, start, index, least)) return true;
    start = index + 1;
  }
  return unmarked.test(text.slice(start)) && hasWords(text, start, text.length, least);
}

/**
 * The number of characters that are cut into words at a time: `Intl.Segmenter`'s time grows with the square of the
 * length.
 */
const STRETCH = 500;

/** Whether `text[start … end)` has at least `least` words. */
function hasWords(text: string, start: number, end: number, least: number): boolean {
  if (end - start < least) return false;
  let count = 0;
  for (let at = start; at < end && count < least; at += STRETCH) {
    const stretch = text.slice(at, Math.min(end, at + STRETCH));
    if (/\p{L}/u.test(stretch)) count += countWords(stretch);
  }
  return count >= least;
}

/** Counts runs of letters: "it's" counts as two. */
function countWords(text: string): number {
  let count = 0;
  for (const { segment, isWordLike } of segmenter().segment(text))
    if (isWordLike) count += segment.match(/\p{L}[\p{L}\p{M}]*/gu)?.length ?? 0;
  return count;
}
