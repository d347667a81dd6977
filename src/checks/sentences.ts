/**
 * The marks that end a sentence, by Unicode (Sentence_Terminal: . ! ? 。！？ । ؟ ۔ ። ។ …), with the ellipsis and Tibetan's
 * stroke.
 */
const terminator = /[\p{Sentence_Terminal}…།༎]/gu;

/** Scripts that end a sentence by a space, or by nothing. */
const unmarked = /[\p{Script=Thai}\p{Script=Lao}]/u;

/**
 * A language's own words, with a dictionary for scripts without spaces between them. "und": no language, so no
 * machine's settings count.
 */
const words = new Intl.Segmenter("und", { granularity: "word" });

/**
 * Whether a text has a full sentence of at least so many words, in any language; in linear time.
 *
 * A sentence ends with what Unicode says ends one; Thai and Lao write no such mark. The end is found here and not by
 * `Intl.Segmenter`'s sentences, because its time grows with the square of their number.
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
 * So many characters are cut into words at a time: the time that `Intl.Segmenter` takes grows with the square of the
 * length.
 */
const STRETCH = 500;

/** Whether `text[start … end)` has so many words. */
function hasWords(text: string, start: number, end: number, least: number): boolean {
  if (end - start < least) return false;
  let count = 0;
  for (let at = start; at < end && count < least; at += STRETCH) {
    const stretch = text.slice(at, Math.min(end, at + STRETCH));
    if (/\p{L}/u.test(stretch)) count += countWords(stretch);
  }
  return count >= least;
}

/** Letters of one word with no apostrophe between them: "it's" counts as two. */
function countWords(text: string): number {
  let count = 0;
  for (const { segment, isWordLike } of words.segment(text))
    if (isWordLike) count += segment.match(/\p{L}[\p{L}\p{M}]*/gu)?.length ?? 0;
  return count;
}
