import { type Entry, readValue } from "./entry";
import { skipSpace } from "./scan";

/**
 * Reads labels and numbers in a text without braces, in linear time: `- anger: 0.10` lines, `| anger | 0.10 |` rows of
 * a table, `anger: 0.10, joy: 0.60` on one line; `1. anger - 0.10`.
 *
 * @returns null where a label lacks a number, or a number lacks a label
 */
export function readLines(text: string, labelOf: (key: string) => string | undefined): Entry[] | null {
  const entries: Entry[] = [];
  for (const line of text.split("\n")) {
    const read = line.includes("|") ? readRow(line, labelOf) : readEntries(line, labelOf);
    if (read === null) return null;
    for (const entry of read) entries.push(entry);
  }
  return entries;
}

/** The label and the number of a row; empty for a heading, and for the rule under it. */
function readRow(line: string, labelOf: (key: string) => string | undefined): Entry[] | null {
  const cells = line.split("|").flatMap((cell) => (cell.trim() === "" ? [] : [named(cell, labelOf)]));
  const values = cells.flatMap((cell) => wholeValue(cell) ?? []);
  if (values.length === 0) return [];
  const [key, ...others] = cells.filter((cell) => wholeValue(cell) === null);
  const isEntry = key !== undefined && others.length === 0 && values.length === 1 && labelOf(key) !== undefined;
  return isEntry ? [{ ...values[0]!, key }] : null;
}

/** Every `label: number` of a line; empty for a line of prose. */
function readEntries(line: string, labelOf: (key: string) => string | undefined): Entry[] | null {
  const entries: Entry[] = [];
  let pieces: string[] = [];
  for (const part of line.split(/([,;])/)) {
    // A separator belongs to neither entry, but a label may have a comma.
    if (pieces.length === 0 && /^[,;]$/.test(part)) continue;
    pieces.push(part);
    if (!/[:=]/.test(part)) {
      const dashed = dashedEntry(part, labelOf);
      if (dashed === undefined) continue;
      if (dashed === null || /[\p{L}\p{N}]/u.test(pieces.slice(0, -1).join(""))) return null;
      entries.push(dashed);
      pieces = [];
      continue;
    }
    const key = pieces.join("");
    pieces = [];
    const colon = Math.max(key.lastIndexOf(":"), key.lastIndexOf("="));
    const whole = named(key.slice(0, colon), labelOf);
    // "The probabilities are: anger: 0.10, …"
    const name = labelOf(whole) === undefined ? undecorated(whole.slice(whole.lastIndexOf(":") + 1)) : whole;
    const value = wholeValue(undecorated(key.slice(colon + 1)));
    const isLabel = labelOf(name) !== undefined;
    // "Anger: low", or "total: 1.00".
    if (isLabel !== (value !== null)) return null;
    if (value) entries.push({ ...value, key: name });
  }
  // Letters or digits that remain are an entry that does not end as one: "anger: 0,1".
  return entries.length > 0 && /[\p{L}\p{N}]/u.test(pieces.join("")) ? null : entries;
}

/**
 * The entry of `1. anger - 0.10`; undefined for prose, in which a dash says nothing of what stands around it, and
 * null for another number, as of a range.
 */
function dashedEntry(text: string, labelOf: (key: string) => string | undefined): Entry | null | undefined {
  const [, before, after] = /^(.*?\S)\s[-–—]\s(.*)$/.exec(text) ?? [];
  if (before === undefined) return undefined;
  const key = named(before, labelOf);
  if (labelOf(key) === undefined || !/^[\s*_`'"]*[-+.\d]/.test(after!)) return undefined;
  const value = wholeValue(undecorated(after!));
  return value && { ...value, key };
}

/** A key without the decoration around it; what is part of the label stays: "__proto__", "crane (bird)". */
function named(text: string, labelOf: (key: string) => string | undefined): string {
  const item = withoutBullet(text);
  const bold = item.replace(/^[\s*_`'"“”‘’]+/, "").replace(/[*_`'"“”‘’]{1,9}$/, "");
  return [text.trim(), item, bold].find((key) => labelOf(key) !== undefined) ?? undecorated(text);
}

const withoutBullet = (text: string): string => text.trim().replace(/^(?:[-*+•>#]\s|\d{1,3}[.)]\s)\s*/, "");

/** A text without the marks of a list, bold text, quotes and brackets around it. */
const undecorated = (text: string): string =>
  withoutBullet(text)
    .replace(/^[\s*_`'"“”‘’([]+/, "")
    .trimEnd()
    .replace(/[*_`'"“”‘’)\].]{1,9}$/, "")
    .trim();

/** A number, perhaps a percentage, and nothing after it. */
function wholeValue(text: string): Pick<Entry, "value" | "repairs"> | null {
  const { value, repairs, end } = readValue(text, 0);
  return value !== null && skipSpace(text, end) === text.length ? { value, repairs } : null;
}
