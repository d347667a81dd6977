/** Marks of Chinese, Japanese and Arabic, and those of ASCII that mean the same. */
const marks: ReadonlyMap<string, string> = new Map([
  ["、", ","],
  ["。", "."],
  ["【", "["],
  ["】", "]"],
  ...[..."「」『』"].map((quote) => [quote, '"'] as const),
  ["،", ","],
  ["؛", ";"],
  ["٫", "."],
  ["٪", "%"],
]);

/** Full-width forms, from ！ to ～, lie this far behind the same characters of ASCII. */
const fullWidth = 0xff01 - 0x21;

/** Writes the digits and marks of other scripts as those of ASCII: "［１，٢］" becomes "[1,2]"; in linear time. */
export function inAscii(text: string): string {
  return text.replace(/[！-～、。【】「」『』،؛٫٪]|(?![0-9])\p{Nd}/gu, (character) => {
    const code = character.codePointAt(0)!;
    const isFullWidth = code >= 0xff01 && code <= 0xff5e;
    return marks.get(character) ?? (isFullWidth ? String.fromCodePoint(code - fullWidth) : digit(code));
  });
}

/** Unicode has the ten digits of a script in a row, and one row directly behind another at most. */
function digit(code: number): string {
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++;
  return String(before % 10);
}
