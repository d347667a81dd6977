import type { Box, BoxSpace } from "../types";
import { type Nested, readNested } from "./nested-numbers";
import type { Read } from "./read";

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
 * As asked: `[[x, y, w, h], …]`, or `[x, y, w, h]` where `single`, and nothing around it. Understood, and named in `repairs`: round brackets, spaces
 * for commas, trailing commas, brackets too few or too many, the same answer twice, prose, JSON or a code fence around it; `[]` is no box. Never
 * guessed, so `null`: corner notation ("bbox_2d", "x1", "(x, y), (x, y)"), groups of another length, a list that stops in the middle or goes on with
 * an ellipsis, boxes without area, two lists that differ, and, where `single`, more than one box.
 */
export function readBoxes(text: string, space: BoxSpace, single: boolean): Read<readonly Box[]> | null {
  if (cornerNotation.test(text)) return null;
  const repairs = new Set<string>();
  const groups = readNested(text, repairs)?.map((nested) => ({
    boxes: toBoxes(nested, space, repairs),
    isList: nested.numbers.length === 0,
  }));
  if (!groups || groups.length === 0 || groups.some(({ boxes }) => boxes === null)) return null;
  const answers = groups.map(({ boxes }) => boxes!);
  const isListed = groups.some(({ isList }) => isList);
  const agree = groups.every(({ isList }) => isList) && answers.every((boxes) => sameBoxes(boxes, answers[0]!));
  if (isListed && !agree) return null;
  const boxes = isListed ? answers[0]! : answers.flat();
  if (isListed && answers.length > 1) repairs.add("said twice");
  if (!single) {
    if (!isListed) repairs.add("missing brackets");
    return { value: boxes, repairs: [...repairs] };
  }
  if (isListed) repairs.add("extra brackets");
  if (boxes.length > 1) repairs.add("said twice");
  const isOne = boxes.length > 0 && boxes.every((box) => sameBoxes([box], [boxes[0]!]));
  return isOne ? { value: [boxes[0]!], repairs: [...repairs] } : null;
}

export function sameBoxes(a: readonly Box[], b: readonly Box[]): boolean {
  return a.length === b.length && a.every((box, i) => formatBox(box) === formatBox(b[i]!));
}

/** Names under which models write two corners instead of corner and size: Qwen's, Gemini's, and x₁ or x_{min} however it is spelled, but no "box1". */
const cornerNotation = /box_2d|xyxy|box_start|(?<![a-z])x_?\{?\\?(?:[12₁₂]|min|max)(?![a-z\d])/i;

/** More than any image measures, and small enough for areas to stay finite. */
export const MAX_COORDINATE = 1e7;

/** The one box of a bracket of numbers, those of a list; null for numbers that are not a box. */
function toBoxes({ numbers, lists }: Nested, space: BoxSpace, repairs: Set<string>): Box[] | null {
  if (numbers.length > 0) return toBox(numbers, space);
  if (lists.some((inner) => inner.numbers.length === 0)) repairs.add("extra brackets");
  const boxes = lists.map((inner) => toBoxes(inner, space, repairs));
  return boxes.every((inner) => inner !== null) ? boxes.flat() : null;
}

function toBox(numbers: readonly number[], space: BoxSpace): [Box] | null {
  const [x, y, width, height] = numbers;
  if (numbers.length !== 4 || !numbers.every((value) => Math.abs(value) <= MAX_COORDINATE)) return null;
  return width! > 0 && height! > 0 ? [{ space, x: x!, y: y!, width: width!, height: height! }] : null;
}
