/** A number, a word or a single other character of a text, and where it stands. */
export interface Token {
  readonly kind: "number" | "word" | "mark";
  /** Lower case, in plain letters and without invisible characters; every hyphen is "-". */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts a text into tokens, in linear time: digits of any script with inner points and commas, or an exponent; letters
 * with inner apostrophes; any other character except white space, Markdown's emphasis ("**seven**") and invisible
 * characters.
 *
 * It is a loop, because a regular expression overflows V8's stack, which grows with each repeated `\p{L}`, at some
 * million letters.
 */
export function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const kind = kindAt(text, at);
    const end = kind === "number" ? numberEnd(text, at) : kind === "word" ? wordEnd(text, at) : at + widthAt(text, at);
    if (kind !== "space") tokens.push({ kind, text: plain(text.slice(at, end)), start: at, end });
    at = end;
  }
  return tokens;
}

function kindAt(text: string, at: number): Token["kind"] | "space" {
  const what = classAt(text, at);
  if (what === NUMBER || (text[at] === "." && classAt(text, at + 1) === NUMBER)) return "number";
  if (what === LETTER) return "word";
  return what === SPACE || what === INVISIBLE ? "space" : "mark";
}

function plain(text: string): string {
  const lower = text.toLowerCase();
  if (/^[ -~]*$/.test(lower)) return lower;
  return lower
    .replace(/\p{Cf}/gu, "")
    .replace(styled, (letter) => letter.normalize("NFKC").toLowerCase())
    .replace(/[\u2010\u2011]/, "-");
}

/** Full-width and mathematical letters. */
const styled = /[\uff41-\uff5a\u{1d400}-\u{1d6a3}]/gu;

function numberEnd(text: string, start: number): number {
  let end = runEnd(text, start + (classAt(text, start) === NUMBER ? 0 : 1), NUMBER);
  while (/[.,．٫]/.test(text[end] ?? "") && classAt(text, end + 1) === NUMBER) end = runEnd(text, end + 1, NUMBER);
  if (!/e/i.test(text[end] ?? "")) return end;
  const exponent = /[+-]/.test(text[end + 1] ?? "") ? end + 2 : end + 1;
  return classAt(text, exponent) === NUMBER ? runEnd(text, exponent, NUMBER) : end;
}

function wordEnd(text: string, start: number): number {
  let end = runEnd(text, start, LETTER, MARK, INVISIBLE);
  while (/['’]/.test(text[end] ?? "") && classAt(text, end + 1) === LETTER)
    end = runEnd(text, end + 1, LETTER, MARK, INVISIBLE);
  return end;
}

function runEnd(text: string, start: number, ...classes: readonly number[]): number {
  let end = start;
  while (classes.includes(classAt(text, end))) end += widthAt(text, end);
  return end;
}

const [OTHER, SPACE, NUMBER, LETTER, MARK, INVISIBLE] = [1, 2, 3, 4, 5, 6] as const;

/** The classes of the basic plane's characters, each looked up once; 0 means not yet. */
const known = new Uint8Array(0x10000);

/** The class of the character at `at`, `OTHER` after the end. */
function classAt(text: string, at: number): number {
  const code = text.codePointAt(at);
  if (code === undefined) return OTHER;
  if (code > 0xffff) return classOf(String.fromCodePoint(code));
  return (known[code] ||= classOf(text[at]!));
}

function classOf(character: string): number {
  if (/\p{L}/u.test(character)) return LETTER;
  if (/\p{N}/u.test(character)) return NUMBER;
  if (/\p{M}/u.test(character)) return MARK;
  if (/[\s*_`\u200b]/u.test(character)) return SPACE;
  return /\p{Cf}/u.test(character) ? INVISIBLE : OTHER;
}

const widthAt = (text: string, at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1);
