import { probabilityOf } from "../similarity/distribution";
import type { LabelDistribution } from "../types";
import { scanNumber, skipSpace } from "./scan";

/**
 * `{'anger': 0.10, 'joy': 0.90}`, labels in their own order.
 *
 * Two decimals where they are exact, else as many as it takes to read the same number back (`roundDistribution` keeps them few).
 */
export function formatDistribution(distribution: LabelDistribution, labels: readonly string[]): string {
  const entries = labels.map((label) => `${quoted(label)}: ${decimals(probabilityOf(distribution, label))}`);
  return `{${entries.join(", ")}}`;
}

/** Single quotes as the paper writes them, double quotes around a label that has an apostrophe. */
export function quoted(label: string): string {
  return singleQuotes.test(label) ? `"${label}"` : `'${label}'`;
}

/**
 * Reads the one `{label: number, …}` in a text, in linear time.
 *
 * Understood: either kind of quotes or none, any case, "_" or "-" for a space, trailing comma, percentages, quoted numbers, prose
 * or a code fence around it. Missing labels are 0. Never guessed, so `null`: unknown or repeated labels, negative or infinite
 * numbers, an empty or unfinished object, and two objects that differ.
 */
export function parseDistribution(text: string, labels: readonly string[]): LabelDistribution | null {
  const labelsByKey = new Map(labels.map((label) => [labelKey(label), label]));
  let found: LabelDistribution | null = null;
  let next: number;
  for (let at = text.indexOf("{"); at >= 0; at = text.indexOf("{", next)) {
    const object = readObject(text, at);
    next = object.end;
    if (object.entries === null) continue; // braces around something else
    const distribution = toDistribution(object.entries, labels, labelsByKey);
    if (distribution === null) return null;
    if (found && labels.some((label) => found![label] !== distribution[label])) return null;
    found = distribution;
  }
  return found;
}

/** What two spellings of one label have in common. */
export function labelKey(label: string): string {
  return label
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, " ");
}

type Entry = readonly [key: string, value: number];

function toDistribution(
  entries: readonly Entry[],
  labels: readonly string[],
  labelsByKey: ReadonlyMap<string, string>,
): LabelDistribution | null {
  const values = new Map<string, number>();
  for (const [key, value] of entries) {
    const label = labelsByKey.get(labelKey(key));
    if (label === undefined || values.has(label) || !(value >= 0 && Number.isFinite(value))) return null;
    values.set(label, value);
  }
  return values.size > 0 ? Object.fromEntries(labels.map((label) => [label, values.get(label) ?? 0])) : null;
}

/** The object that opens at `open`, or where it stopped being one: what was read is never read again. */
function readObject(text: string, open: number): { readonly entries: Entry[] | null; readonly end: number } {
  const entries: Entry[] = [];
  let at = skipSpace(text, open + 1);
  while (text[at] !== "}") {
    const key = readKey(text, at);
    if (key.text === null) return { entries: null, end: key.end };
    const value = readValue(text, skipSpace(text, key.end));
    if (value.value === null) return { entries: null, end: value.end };
    entries.push([key.text, value.value]);
    at = skipSpace(text, value.end);
    if (text[at] === ",") at = skipSpace(text, at + 1);
    else if (text[at] !== "}") return { entries: null, end: at };
  }
  return { entries, end: at + 1 };
}

const singleQuotes = /['‘’`]/;
const doubleQuotes = /["“”]/;

/** A key up to and including its colon. A quote inside a label is told from the closing one by the colon that follows. */
function readKey(text: string, start: number): { readonly text: string | null; readonly end: number } {
  const first = text[start] ?? "";
  const quotes = singleQuotes.test(first) ? singleQuotes : doubleQuotes.test(first) ? doubleQuotes : null;
  let at = quotes ? start + 1 : start;
  for (; at < text.length && !/[{}\n]/.test(text[at]!); at++) {
    if (!quotes && text[at] === ":") return { text: text.slice(start, at), end: at + 1 };
    if (quotes?.test(text[at]!)) {
      const colon = skipSpace(text, at + 1);
      if (text[colon] === ":") return { text: text.slice(start + 1, at), end: colon + 1 };
    }
  }
  return { text: null, end: at };
}

/** A number, perhaps quoted, perhaps a percentage. */
function readValue(text: string, start: number): { readonly value: number | null; readonly end: number } {
  const first = text[start] ?? "";
  const quotes = singleQuotes.test(first) ? singleQuotes : doubleQuotes.test(first) ? doubleQuotes : null;
  const number = scanNumber(text, quotes ? skipSpace(text, start + 1) : start);
  if (!number) return { value: null, end: start };
  let { value, end } = number;
  const sign = skipSpace(text, end);
  if (text[sign] === "%") {
    value /= 100;
    end = sign + 1;
  }
  if (!quotes) return { value, end };
  const closing = skipSpace(text, end);
  return quotes.test(text[closing] ?? "") ? { value, end: closing + 1 } : { value: null, end: closing };
}

function decimals(value: number): string {
  const short = value.toFixed(2);
  return Number(short) === value ? short : String(value);
}
