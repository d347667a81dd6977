import type { Box, BoxSpace } from "../types";
import { scanNumber } from "./scan";

/** `[[x, y, w, h], …]`; the same digits read back the same boxes. */
export function formatBoxes(boxes: readonly Box[]): string {
  return `[${boxes.map(formatBox).join(", ")}]`;
}

/** `[x, y, w, h]` */
export function formatBox({ x, y, width, height }: Box): string {
  return `[${x}, ${y}, ${width}, ${height}]`;
}

/**
 * Reads the boxes in a text, in linear time: one list of `[x, y, w, h]`, or boxes one after the other.
 *
 * Understood: round or square brackets, commas or spaces, trailing commas, prose, JSON or a code fence around them; `[]` is no
 * box. Never guessed, so `null`: corner notation ("bbox_2d", "x1", "(x, y), (x, y)"), groups of another length, a list that
 * stops in the middle, boxes without area, and two lists that differ.
 */
export function parseBoxes(text: string, space: BoxSpace): Box[] | null {
  if (cornerNotation.test(text)) return null;
  const groups = readGroups(text, space);
  if (groups === null || groups.length === 0) return null;
  const lists = groups.filter(({ isList }) => isList);
  if (lists.length === 0) return groups.flatMap(({ boxes }) => boxes);
  const [first] = lists;
  const agree = lists.length === groups.length && lists.every(({ boxes }) => sameBoxes(boxes, first!.boxes));
  return agree ? first!.boxes : null;
}

export function sameBoxes(a: readonly Box[], b: readonly Box[]): boolean {
  return a.length === b.length && a.every((box, i) => formatBox(box) === formatBox(b[i]!));
}

/** Names under which models write two corners instead of corner and size. */
const cornerNotation = /bbox_2d|xyxy|x_?1\b|x_?min\b|box_start/i;

/** Nesting deeper than this is no list of boxes; the limit also keeps the time linear. */
const MAX_DEPTH = 8;

/** More than any image measures, and small enough for areas to stay finite. */
const MAX_COORDINATE = 1e7;

/** Boxes found together; a list is `[[…], …]` or `[]`, anything else a single box. */
interface Group {
  readonly isList: boolean;
  readonly boxes: Box[];
}

/** A bracket that is still open. */
interface Frame {
  readonly closer: string;
  readonly numbers: number[];
  readonly groups: Group[];
  /** Holds something else than numbers, boxes and commas between them. */
  isProse: boolean;
  afterComma: boolean;
}

/** The outermost groups, or null when a bracket holds numbers that are not a box. */
function readGroups(text: string, space: BoxSpace): Group[] | null {
  const outer = openFrame("");
  const frames = [outer];
  for (let at = 0; at < text.length; ) {
    const frame = frames.at(-1)!;
    const character = text[at]!;
    if (character === "[" || character === "(") {
      if (frames.length > MAX_DEPTH) return null;
      frames.push(openFrame(character === "[" ? "]" : ")"));
      at++;
    } else if ((character === "]" || character === ")") && frame !== outer) {
      frames.pop();
      if (character !== frame.closer) frame.isProse = true;
      const groups = closeFrame(frame, space);
      if (groups === null) return null;
      const parent = frames.at(-1)!;
      if (groups.length === 0) parent.isProse = true;
      for (const group of groups) parent.groups.push(group);
      parent.afterComma = false;
      at++;
    } else {
      at = frame === outer ? at + 1 : readInside(text, at, frame);
    }
  }
  const isFinished = frames.slice(1).every(({ numbers, groups }) => numbers.length === 0 && groups.length === 0);
  return isFinished ? outer.groups : null;
}

function openFrame(closer: string): Frame {
  // A comma may not come first.
  return { closer, numbers: [], groups: [], isProse: false, afterComma: true };
}

/** One step inside a bracket: a number, a comma, white space or prose. */
function readInside(text: string, at: number, frame: Frame): number {
  const character = text[at]!;
  if (character === ",") {
    if (frame.afterComma) frame.isProse = true;
    frame.afterComma = true;
    return at + 1;
  }
  const number = scanNumber(text, at);
  if (number) {
    const isSeparated = /[\s,\])]/.test(text[number.end] ?? ",");
    if (!isSeparated) frame.isProse = true;
    frame.numbers.push(number.value);
    frame.afterComma = false;
    return number.end;
  }
  if (!/\s/.test(character)) frame.isProse = true;
  return at + 1;
}

/** What a closed bracket hands to the one around it; nothing for prose, null for numbers that are not a box. */
function closeFrame({ numbers, groups, isProse }: Frame, space: BoxSpace): Group[] | null {
  if (isProse || (numbers.length === 1 && groups.length === 0)) return groups;
  if (groups.length > 0)
    return numbers.length > 0 ? null : [{ isList: true, boxes: groups.flatMap(({ boxes }) => boxes) }];
  if (numbers.length === 0) return [{ isList: true, boxes: [] }];
  const box = toBox(numbers, space);
  return box && [{ isList: false, boxes: [box] }];
}

function toBox(numbers: readonly number[], space: BoxSpace): Box | null {
  const [x, y, width, height] = numbers;
  if (numbers.length !== 4 || !numbers.every((value) => Math.abs(value) <= MAX_COORDINATE)) return null;
  return width! > 0 && height! > 0 ? { space, x: x!, y: y!, width: width!, height: height! } : null;
}
