import { probabilityOf } from "../../similarity/distribution";
import type { LabelDistribution } from "../../types";
import { readLines } from "./distribution-lines";
import { doubleQuotes, type Entry, readValue, singleQuotes } from "./entry";
import type { Read } from "./lenient";
import { skipSpace } from "./scan";
import { inAscii } from "./scripts";

/**
 * Writes `{'anger': 0.10, 'joy': 0.90}`, with the labels in their own order.
 *
 * Numbers have two decimals if these are exact, else as many as it takes to read the same number back
 * (`roundDistribution` keeps them few).
 */
export function formatDistribution(distribution: LabelDistribution, labels: readonly string[]): string {
  const entries = labels.map((label) => `${quoted(label)}: ${decimals(probabilityOf(distribution, label))}`);
  return `{${entries.join(", ")}}`;
}

/** A label in single quotes, as in the paper; in double quotes if it has an apostrophe. */
export function quoted(label: string): string {
  return singleQuotes.test(label) ? `"${label}"` : `'${label}'`;
}

/**
 * Reads the one `{label: number, …}` in a text, in linear time.
 *
 * As asked: the labels as they are spelled, each in straight quotes of either kind, and numbers as Python reads them;
 * nothing around it. Understood, and named in `repairs`: text or a code fence around it, other quotes or none, another
 * case, "_" or "-" for a space, a trailing comma, percentages, quoted numbers, labels that are missing (0), the same
 * answer twice, and no braces at all: a list, a table, or `label: number` after `label: number` (`readLines`). Named in
 * `repairs` and left as they are: numbers that sum to 100. Never guessed, so `null`: unknown or repeated labels,
 * negative or infinite numbers, an empty or unfinished object, and two objects that differ.
 */
export function readDistribution(text: string, labels: readonly string[]): Read<LabelDistribution> | null {
  const labelOf = labelFinder(labels);
  if (!text.includes("{")) {
    const entries = readLines(text, labelOf);
    const listed = entries && toDistribution({ entries, hasTrailingComma: false }, labels, labelOf);
    return listed && { ...listed, repairs: ["missing braces", ...listed.repairs] };
  }
  const repairs = new Set<string>();
  let found: LabelDistribution | null = null;
  let next: number;
  for (let at = text.indexOf("{"); at >= 0; at = text.indexOf("{", next)) {
    const object = readObject(text, at);
    next = object.end;
    if (!object.isWhole) {
      if (object.entries.some(({ key }) => labelOf(key) !== undefined)) return null;
      continue; // braces around something else
    }
    const distribution = toDistribution(object, labels, labelOf);
    if (distribution === null) return null;
    if (found && labels.some((label) => probabilityOf(found!, label) !== probabilityOf(distribution.value, label)))
      return null;
    if (found) repairs.add("said twice");
    else if (text.slice(0, at).trim() !== "" || text.slice(next).trim() !== "") repairs.add("text around it");
    found = distribution.value;
    for (const repair of distribution.repairs) repairs.add(repair);
  }
  return found && { value: found, repairs: [...repairs] };
}

/** The label that a key spells, if it spells one. */
type LabelOf = (key: string) => string | undefined;

/** Ignores keys longer than a label can be: normalising costs the square of the marks on one letter. */
function labelFinder(labels: readonly string[]): LabelOf {
  const labelsByKey = new Map(labels.map((label) => [labelKey(label), label]));
  // No letter decomposes into more than 18 units.
  const longest = 18 * labels.reduce((most, { length }) => Math.max(most, length), 0);
  return (key) => {
    const short = withoutSeparators(key);
    return short.length > longest ? undefined : labelsByKey.get(composed(short));
  };
}

/**
 * The common form of a label's spellings; letters with accents have two, and tokenizers turn one into the other.
 */
export const labelKey = (label: string): string => composed(withoutSeparators(label));

const withoutSeparators = (label: string): string => label.trim().replace(/[\s_-]+/g, " ");
const composed = (text: string): string => inAscii(text.normalize("NFC")).toLowerCase();

interface ReadObject {
  readonly entries: readonly Entry[];
  /** Whether the object ends properly. */
  readonly isWhole: boolean;
  readonly hasTrailingComma: boolean;
  readonly end: number;
}

function toDistribution(
  { entries, hasTrailingComma }: Pick<ReadObject, "entries" | "hasTrailingComma">,
  labels: readonly string[],
  labelOf: LabelOf,
): Read<LabelDistribution> | null {
  const values = new Map<string, number>();
  const repairs = new Set<string>();
  for (const { key, value, repairs: own } of entries) {
    const label = labelOf(key);
    if (label === undefined || values.has(label) || !(value >= 0 && Number.isFinite(value))) return null;
    values.set(label, value);
    for (const repair of own) repairs.add(repair);
    if (key !== label) repairs.add("spelling of labels");
  }
  if (values.size === 0) return null;
  if (hasTrailingComma) repairs.add("trailing comma");
  if (values.size < labels.length) repairs.add("missing labels");
  const sum = [...values.values()].reduce((all, value) => all + value, 0);
  if (Math.abs(sum - 100) <= 1) repairs.add("sums to 100");
  else if (sum > 2) repairs.add("sums to more than 2");
  return { value: Object.fromEntries(labels.map((label) => [label, values.get(label) ?? 0])), repairs: [...repairs] };
}

/** Reads the object that opens at `open`, as far as it is one: `end` is where reading resumes. */
function readObject(text: string, open: number): ReadObject {
  const entries: Entry[] = [];
  const notOne = (end: number): ReadObject => ({ entries, isWhole: false, hasTrailingComma: false, end });
  let at = skipSpace(text, open + 1);
  let hasTrailingComma = false;
  while (text[at] !== "}") {
    const key = readKey(text, at);
    if (key.text === null) return notOne(key.end);
    const value = readValue(text, skipSpace(text, key.end));
    if (value.value === null) return notOne(value.end);
    entries.push({ key: key.text, value: value.value, repairs: [...key.repairs, ...value.repairs] });
    at = skipSpace(text, value.end);
    hasTrailingComma = text[at] === ",";
    if (hasTrailingComma) at = skipSpace(text, at + 1);
    else if (text[at] !== "}") return notOne(at);
  }
  return { entries, isWhole: true, hasTrailingComma, end: at + 1 };
}

/**
 * Reads a key up to and including its colon. The closing quote is the one that a colon follows; others are the label's.
 */
function readKey(text: string, start: number) {
  const first = text[start] ?? "";
  const quotes = singleQuotes.test(first) ? singleQuotes : doubleQuotes.test(first) ? doubleQuotes : null;
  let at = quotes ? start + 1 : start;
  for (; at < text.length && !/[{}\n]/.test(text[at]!); at++) {
    if (!quotes && text[at] === ":") return { text: text.slice(start, at), repairs: ["quotes"], end: at + 1 };
    if (quotes?.test(text[at]!)) {
      const colon = skipSpace(text, at + 1);
      if (text[colon] !== ":") continue;
      const key = text.slice(start + 1, at);
      const isAsAsked = /['"]/.test(first) && text[at] === first && !key.includes(first);
      return { text: key, repairs: isAsAsked ? [] : ["quotes"], end: colon + 1 };
    }
  }
  return { text: null, repairs: [], end: at };
}

function decimals(value: number): string {
  const short = value.toFixed(2);
  return Number(short) === value ? short : String(value);
}
