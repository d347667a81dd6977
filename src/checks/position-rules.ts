import { readSpelledNumber } from "./number-words";
import { beforeHedges, isAfter, isBare, isOneOf, quantityEnd, type Rule, skip, wordSet } from "./rule";

/** "[120, 80, 40, 60]", "(0.2, 0.3)" */
const bracketed: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], brackets)) return null;
  let end = at + 1;
  let numbers = 0;
  for (; tokens[end]?.kind === "number" || isOneOf(tokens[end], separators); end++) {
    if (tokens[end]!.kind === "number") numbers++;
  }
  return numbers >= 2 && isOneOf(tokens[end], closers) ? { kind: "coordinates", end: end + 1 } : null;
};

/** "x from 120 to 300", "y = forty", "coordinates twelve and thirty" */
const axis: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], axes)) return null;
  const from = quantityEnd(tokens, skip(tokens, at + 1, connectives));
  if (from === null) return null;
  return { kind: "coordinates", end: quantityEnd(tokens, skip(tokens, from, rangeWords)) ?? from };
};

/** "the left edge is at twelve", "a width of nine, …", "column twelve", "y equals nine"; not "a height of two storeys" */
const measured: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  const isCell = isOneOf(tokens[at - 1], cells);
  const isMeasure = isOneOf(beforeHedges(tokens, at), links) && isAfter(tokens, at, measures) && isBare(tokens, end);
  return isCell || isMeasure ? { kind: "coordinates", end } : null;
};

/** "twelve pixels", "five from the left", "twelve by nine" */
const distance: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  if (isOneOf(tokens[end], units)) return { kind: "coordinates", end: end + 1 };
  const isFromSide = tokens[end]?.text === "from" && tokens[end + 1]?.text === "the" && isOneOf(tokens[end + 2], sides);
  if (isFromSide) return { kind: "coordinates", end: end + 3 };
  if (tokens[end]?.text !== "by") return null;
  const other = readSpelledNumber(tokens, end + 1)?.end;
  // "One by one" is a manner of walking.
  const isSize = other !== undefined && tokens[at]!.text !== tokens[end + 1]!.text;
  return isSize && isBare(tokens, other) ? { kind: "coordinates", end: other } : null;
};

/** "eleven wide and sixteen tall"; not "two tall and lanky boys" */
const size: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined || !isOneOf(tokens[end], dimensions)) return null;
  const second = readSpelledNumber(tokens, skip(tokens, end + 1, rangeWords))?.end;
  return second !== undefined && isOneOf(tokens[second], dimensions) ? { kind: "coordinates", end: second + 1 } : null;
};

/** "runs from two to nine", "between twelve and nineteen horizontally"; not "between two and three friends" */
const range: Rule = (tokens, at) => {
  const first = readSpelledNumber(tokens, at)?.end;
  if (first === undefined || !isOneOf(tokens[first], rangeWords)) return null;
  const end = readSpelledNumber(tokens, first + 1)?.end;
  if (end === undefined) return null;
  if (isOneOf(tokens[end], directions)) return { kind: "coordinates", end: end + 1 };
  return isBare(tokens, end) && isAfter(tokens, at, extents) ? { kind: "coordinates", end } : null;
};

export const positionRules: readonly Rule[] = [bracketed, axis, measured, distance, size, range];

const brackets = wordSet("[ (");
const closers = wordSet("] )");
const separators = wordSet(", ; -");
const axes = wordSet("x y coordinate coordinates abscissa ordinate");
const connectives = wordSet(
  "of is at as a an = : about around roughly nearly almost approximately equal equals to near over under being from between was are",
);
const rangeWords = wordSet("to and - – — , until through");
const links = wordSet("is was at of to = : equals reaches measures");
const measures = wordSet(
  "edge edges corner corners border boundary width height position positions offset extent center centre abscissa ordinate",
);
const cells = wordSet("column columns");
const units = wordSet("pixel pixels px unit units");
const sides = wordSet("left right top bottom");
const dimensions = wordSet("wide tall high long across deep");
const directions = wordSet("horizontally vertically across");
const extents = wordSet(
  "span spans spanning run runs running reach reaches reaching extend extends extending stretch stretches stretching range ranges horizontally vertically",
);
