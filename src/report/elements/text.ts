import { escapeHtml } from "./escape";

export { shortNumber } from "../../terminal/text";

/** A place of a text that gives the annotation away, from `start` to before `end`. */
export interface Mark {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
}

/** Characters of a text that are in view; the rest folds. */
const inView = 2000;
/** Characters of a text that a page holds. */
export const mostCharacters = 6000;

export const beginning = (text: string, most = 300): string =>
  text.length > most ? `${text.slice(0, whole(text, most))}…` : text;

/** A text that is not a paragraph, such as an id: bounded, and with what is invisible in it shown. */
export const inline = (text: string, most?: number): string => visible(beginning(text, most));

/**
 * A text that somebody wrote: escaped, its leaks marked, its direction isolated, what is invisible in it shown, and
 * folded if it is long.
 * @param length characters of the whole text, if `text` is only its beginning
 */
export function written(text: string, marks: readonly Mark[] = [], length = text.length): string {
  const fold = length > 1.1 * inView ? whole(text, inView) : text.length;
  const end = whole(text, Math.min(text.length, mostCharacters));
  const rest = fold === text.length ? "" : leaksMarked(text, marks, fold, end);
  const lost = length > end ? `<p class="note">${count(length - end)} more characters are not on this page</p>` : "";
  const folded =
    rest + lost && `<details><summary>${count(length - fold)} more characters</summary>${rest}${lost}</details>`;
  return `<div class="written" dir="auto">${leaksMarked(text, marks, 0, fold)}${folded}</div>`;
}

/** Marks the places of a text, or of a part of it, that give the annotation away. */
export function leaksMarked(text: string, marks: readonly Mark[], from = 0, to = text.length): string {
  let done = from;
  let html = "";
  for (const { start, end, kind } of [...marks].sort((a, b) => a.start - b.start)) {
    const [first, last] = [Math.max(start, done), Math.min(end, to)];
    if (!(last > first)) continue;
    html += `${visible(text.slice(done, first))}<mark title="leak: ${escapeHtml(kind)}">${visible(text.slice(first, last))}</mark>`;
    done = last;
  }
  return html + visible(text.slice(done, to));
}

/** Escapes a text, and shows control characters, lone surrogates and heaps of accents by their names. */
function visible(text: string): string {
  return escapeHtml(text)
    .replace(invisible, (run) => control([...run].slice(0, 4).map(nameOf).join(" "), [...run].length - 4))
    .replace(heaps, (run) => [...run].slice(0, 4).join("") + control("accents", [...run].length - 4));
}

/**
 * Controls, marks of direction and lone surrogates. A line break, a tab, a soft hyphen, the joiners of emoji and of
 * scripts, and the tags of flags are not among them.
 */
const invisible = /(?:(?![\n\t\u{ad}\u{e0020}-\u{e007f}]|\u{200c}|\u{200d})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])+/gu;
const heaps = /\p{M}{9,}/gu;

const control = (names: string, more: number) =>
  `<span class="control">${names}${more > 0 ? ` and ${count(more)} more` : ""}</span>`;

const nameOf = (character: string) => {
  const code = character.codePointAt(0)!;
  // Unicode has a picture of each of the first 32.
  return code < 32 ? String.fromCodePoint(0x2400 + code) : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
};

/** A place at or just before `at` that does not cut a character in two. */
const whole = (text: string, at: number) => (/[\uD800-\uDBFF]/.test(text.charAt(at - 1)) ? at - 1 : at);

const count = (value: number) => value.toLocaleString("en");

/** A reward or a similarity: three decimals, since what is below is nothing. */
export const score = (value: number): string => String(Number(value.toFixed(3)) + 0);
