/** Seconds as people say them: "12 s", "4 min", "2.5 h". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 90 * 60 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Seconds as a clock shows them: "0:12", "4:05", "2:30:00". A system's clock may be set back meanwhile. */
export function clock(seconds: number): string {
  const all = Math.max(0, seconds);
  const [s, m, h] = [all % 60, (all / 60) % 60, all / 3600].map(Math.floor) as [number, number, number];
  const two = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A number with three digits. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));

/** Bytes in decimal units: "4.2 MB". */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  // 999 950 bytes would be rounded to 1000.0 kB.
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1) / 0.99995) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Text of one line that no terminal takes for a command: control and bidirectional marks are shown as escapes. */
export const printable = (text: string): string =>
  text
    .replace(/\s+/g, (blanks) => (blanks.includes("\n") ? " " : blanks))
    .replace(
      /[\p{Cc}\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu,
      (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );

/** Columns that a text takes in a terminal: two for the wide characters of East Asia and for emoji. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += /\p{M}|\u200D/u.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return columns;
}

const wide =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}|[\u{20000}-\u{3FFFD}]/u;

/**
 * Joins as many texts as fit into a line: all that are needed, and then optional ones until one is too long. A needed
 * text that does not fit alone is cut, which "…" shows.
 */
export function fitted(
  columns: number,
  needed: readonly string[],
  optional: readonly string[] = [],
  gap = "  ",
): string {
  let line = needed.join(gap);
  if (columnsOf(line) > columns) return cut(line, columns);
  for (const text of optional) {
    const longer = line === "" ? text : `${line}${gap}${text}`;
    if (columnsOf(longer) > columns) break;
    line = longer;
  }
  return line;
}

/** The beginning of a text that fits, up to a whole word if there is one. */
function cut(text: string, columns: number): string {
  let kept = "";
  for (const character of text) {
    if (columnsOf(kept + character) > columns - 1) break;
    kept += character;
  }
  const lastGap = kept.lastIndexOf(" ");
  return `${(lastGap > 0 ? kept.slice(0, lastGap) : kept).trimEnd()}…`;
}

/** A text in lines of whole words. A word that is longer than a line has its own, however long. */
export function wrapped(text: string, columns: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line.trim() !== "" && columnsOf(longer) > columns) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = longer;
  }
  return [...lines, line];
}
