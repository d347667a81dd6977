import { isFromSide } from "./idioms";
import { determiners, hours, pictures, sides } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import {
  afterHyphen,
  isAfter,
  isBare,
  isLinked,
  isNear,
  isOneOf,
  linkBefore,
  quantityEnd,
  type Rule,
  skip,
  wordSet,
} from "./rule";
import type { Token } from "./tokens";

/** "[120, 80, 40, 60]", "(0.2, 0.3)", "(four, nine)" */
const bracketed: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], brackets)) return null;
  let numbers = 0;
  for (let end = at + 1; ; ) {
    const number = quantityEnd(tokens, end);
    if (number !== null) numbers++;
    else if (!isOneOf(tokens[end], separators)) {
      return numbers >= 2 && isOneOf(tokens[end], closers) ? { kind: "coordinates", end: end + 1 } : null;
    }
    end = number ?? end + 1;
  }
};

/** "x from 120 to 300", "y = forty", "coordinates twelve and thirty" */
const axis: Rule = (tokens, at) => {
  if (!isOneOf(tokens[at], axes)) return null;
  const from = quantityEnd(tokens, skip(tokens, at + 1, connectives));
  if (from === null) return null;
  return { kind: "coordinates", end: quantityEnd(tokens, skip(tokens, from, rangeWords)) ?? from };
};

/**
 * "the left edge is at twelve", "a width of nine, …", "column twelve", "y equals nine"; not "a height of two storeys"
 */
const measured: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  const isCell = isOneOf(tokens[at - 1], cells) || (isOneOf(tokens[at - 1], rows) && isNear(tokens, at, grids));
  const isMeasure = isLinked(tokens, at, links, measures) && isBare(tokens, end) && !isNear(tokens, at, hours);
  return isCell || isMeasure ? { kind: "coordinates", end } : null;
};

/** "top at twelve, left at nine"; not "the shop on the left at nine" */
const sided: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  const isSide = end !== undefined && tokens[at - 1]?.text === "at" && isOneOf(tokens[at - 2], sides);
  return isSide && isBare(tokens, end) && !isNear(tokens, at, hours) && sideNear(tokens, at)
    ? { kind: "coordinates", end }
    : null;
};

/** "begins at six and stops at nine, from the left"; not "the shop to the left opens at six" */
const placed: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  // "From one to the next" is not a place.
  if (end === undefined || tokens[at]!.text === "one" || !isOneOf(tokens[linkBefore(tokens, at)], places)) return null;
  const isEnd = isBare(tokens, end) || isOneOf(tokens[end], ways);
  const isLaidOut = (isNear(tokens, at, extents) && isNear(tokens, at, geometry)) || isNear(tokens, at, rulers);
  const isInPicture = isLaidOut && !isNear(tokens, at, hours);
  return isEnd && isInPicture ? { kind: "coordinates", end } : null;
};

/** "twelve pixels", "five from the left", "twelve by nine" */
const distance: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined) return null;
  const unit = afterHyphen(tokens, end);
  const isInUnits = isOneOf(tokens[unit], units);
  const isCounted = tokens[at]!.text === "one" || isOneOf(tokens[at - 1], determiners);
  if (isFromSide(tokens, end) && !isCounted) return { kind: "coordinates", end: end + 1 };
  const isMark = tokens[at - 1]?.text === "the" && tokens[end]?.text === "mark";
  if (isInUnits || isMark || (tokens[end + 1] && isFromSide(tokens, end + 1) && isOneOf(tokens[end], lengths))) {
    return { kind: "coordinates", end: unit + 1 };
  }
  if (tokens[end]?.text !== "by") return null;
  const other = readSpelledNumber(tokens, end + 1)?.end;
  // "One by one" is a manner of walking.
  const isSize = other !== undefined && tokens[at]!.text !== tokens[end + 1]!.text;
  return isSize && (isBare(tokens, other) || isOneOf(tokens[other], units) || isOneOf(tokens[other], shapes))
    ? { kind: "coordinates", end: other }
    : null;
};

/**
 * "eleven wide and sixteen tall", "nine across and four down", "in pixels, nine wide"; not "two tall and lanky boys"
 */
const size: Rule = (tokens, at) => {
  const end = readSpelledNumber(tokens, at)?.end;
  if (end === undefined || !isOneOf(tokens[end], dimensions)) return null;
  if (isNear(tokens, at, rulers)) return { kind: "coordinates", end: end + 1 };
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
  const isExtent = isBare(tokens, end) || (isOneOf(tokens[end], ways) && isNear(tokens, at, geometry));
  const isSpan = isAfter(tokens, at, spans) || isNear(tokens, at, rulers) || isOneOf(tokens[at - 1], rows);
  return isExtent && isSpan ? { kind: "coordinates", end } : null;
};

function sideNear(tokens: readonly Token[], at: number): boolean {
  return [-6, -5, -4, -3, 1, 2, 3, 4, 5, 6].some(
    (by) =>
      isOneOf(tokens[at + by], sides) &&
      tokens[at + by + 1]?.text === "at" &&
      readSpelledNumber(tokens, at + by + 2) !== null,
  );
}

export const positionRules: readonly Rule[] = [bracketed, axis, measured, sided, placed, distance, size, range];

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
  "edge edges corner corners border boundary width height position positions offset extent center centre middle midpoint outline abscissa ordinate",
);
const cells = wordSet("column columns pixel");
const shapes = wordSet("box rectangle region area");
const rows = wordSet("row rows cell tile");
const grids = wordSet(["grid pixel pixels", ...pictures].join(" "));
const units = wordSet("pixel pixels px unit units");
const lengths = wordSet(
  "inch inches centimetre centimetres centimeter centimeters foot feet metre metres meter meters step steps square squares cell cells tile tiles",
);
const dimensions = wordSet("wide tall high long across down");
const directions = wordSet("horizontally vertically across");
const spans = wordSet(
  "span spans spanning run runs running reach reaches reaching extend extends extending stretch stretches stretching range ranges horizontally vertically",
);
const places = wordSet("at from to near until by");
const extents = wordSet(
  "begin begins beginning start starts starting end ends ending stop stops stopping finishes span spans run runs reach reaches extend extends stretch stretches sit sits lie lies located positioned placed centred centered",
);
const geometry = wordSet(
  "left right top bottom horizontal vertical horizontally vertically axis border corner edge pixel pixels frame image picture canvas sideways",
);
const rulers = wordSet("axis pixel pixels coordinate coordinates normalised normalized grid");
const ways = wordSet("across down up along from in horizontally vertically");
