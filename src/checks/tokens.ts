/** A number, a word or a single other character of a text, and where it stands. */
export interface Token {
  readonly kind: "number" | "word" | "mark";
  /** Lower case. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Any script's digits with inner points and commas, or an exponent; letters with inner apostrophes; anything else but space. */
const pattern =
  /(?<number>\.?\p{N}+(?:[.,]\p{N}+)*(?:e[+-]?\p{N}+)?)|(?<word>\p{L}[\p{L}\p{M}]*(?:['’]\p{L}[\p{L}\p{M}]*)*)|[^\s\p{N}\p{L}]/giu;

/** Cuts a text into tokens, in linear time. */
export function tokenise(text: string): Token[] {
  return Array.from(text.matchAll(pattern), (match) => ({
    kind: match.groups?.number ? "number" : match.groups?.word ? "word" : "mark",
    text: match[0].toLowerCase(),
    start: match.index,
    end: match.index + match[0].length,
  }));
}
