/** A number, a word or a single other character of a text, and where it stands. */
export interface Token {
  readonly kind: "number" | "word" | "mark";
  /** Lower case. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts a text into tokens, in linear time: digits of any script with inner points and commas, or an exponent; letters
 * with inner apostrophes; any other character except white space.
 *
 * It is a loop, because a regular expression overflows V8's stack, which grows with each repeated `\p{L}`, at some
 * million letters.
 */
export function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const kind = kindAt(text, at);
    const end = kind === "number" ? numberEnd(text, at) : kind === "word" ? wordEnd(text, at) : at + widthAt(text, at);
    if (kind !== "space") tokens.push({ kind, text: text.slice(at, end).toLowerCase(), start: at, end });
    at = end;
  }
  return tokens;
}

function kindAt(text: string, at: number): Token["kind"] | "space" {
  const what = classAt(text, at);
  if (what === NUMBER || (text[at] === "." && classAt(text, at + 1) === NUMBER)) return "number";
  return what === LETTER ? "word" : what === SPACE ? "space" : "mark";
}

function numberEnd(text: string, start: number): number {
  let end = runEnd(text, start + (classAt(text, start) === NUMBER ? 0 : 1), NUMBER);
  while (/[.,．٫]/.test(text[end] ?? "") && classAt(text, end + 1) === NUMBER) end = runEnd(text, end + 1, NUMBER);
  if (!/e/i.test(text[end] ?? "")) return end;
  const exponent = /[+-]/.test(text[end + 1] ?? "") ? end + 2 : end + 1;
  return classAt(text, exponent) === NUMBER ? runEnd(text, exponent, NUMBER) : end;
}

function wordEnd(text: string, start: number): number {
  let end = runEnd(text, start, LETTER, MARK);
  while (/['’]/.test(text[end] ?? "") && classAt(text, end + 1) === LETTER) end = runEnd(text, end + 1, LETTER, MARK);
  return end;
}

function runEnd(text: string, start: number, ...classes: readonly number[]): number {
  let end = start;
  while (classes.includes(classAt(text, end))) end += widthAt(text, end);
  return end;
}

const [OTHER, SPACE, NUMBER, LETTER, MARK] = [1, 2, 3, 4, 5] as const;

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
  return /\s/u.test(character) ? SPACE : OTHER;
}

const widthAt = (text: string, at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1);
