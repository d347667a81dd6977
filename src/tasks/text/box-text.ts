import type { Box, BoxSpace } from "../../types";
import { type BoxFormat, boxNotations, numberKey, saysOther, unknownKey } from "./box-notation";
import { type Read, type Unread, unread } from "./lenient";
import { isPair, type Nested, readNested, withoutRemarks } from "./nested-numbers";
import { saysNothing, scaleRepair } from "./scale";

/** Writes `[[x, y, w, h], …]`, or another notation; the same boxes are read back. */
export function formatBoxes(boxes: readonly Box[], format: BoxFormat = "xywh"): string {
  return `[${boxes.map((box) => formatBox(box, format)).join(", ")}]`;
}

/** Writes `[x, y, w, h]`, or another notation. */
export function formatBox(box: Box, format: BoxFormat = "xywh"): string {
  return `[${boxNotations[format].write(box).join(", ")}]`;
}

/**
 * Reads the boxes in a text, in linear time: one list of `[x, y, w, h]`, or boxes one after the other; in the notation
 * that the task asked for.
 *
 * As asked: `[[x, y, w, h], …]`, or `[x, y, w, h]` where `single`, and nothing around it. Understood, and named in
 * `repairs`: round brackets, spaces for commas, trailing commas, brackets too few or too many, the same answer twice,
 * prose, JSON or a code fence around it, a pair of numbers that a sentence mentions ("normalised to [0, 1000]"); two
 * points for two corners (Qwen2-VL's "(x, y),(x, y)"); `[]`, "None" or "No objects" alone (`saysNothing`) mean no box.
 * Named in `repairs` and left as they are: coordinates outside the image, or of another unit (`scaleRepair`).
 *
 * Never guessed, so not read: boxes under a JSON key that is not known to mean this notation (`unknownKey`), a text
 * that names another (`saysOther`), groups of another length, a list that stops in the middle or continues with
 * an ellipsis, boxes without area, two lists that differ, and, where `single`, more than one box.
 */
export function readBoxes(
  text: string,
  space: BoxSpace,
  single: boolean,
  format: BoxFormat = "xywh",
): Read<readonly Box[]> | Unread | null {
  if (!single && saysNothing(text)) return { value: [], repairs: ["a word for an empty list"] };
  const other = saysOther(text, format);
  if (other !== undefined) return unread(other);
  const repairs = new Set<string>();
  const nested = readNested(text, repairs);
  const unreadable = () => {
    const key = numberKey(text, format);
    return key === undefined ? null : unread(key);
  };
  if (!nested) return unreadable();
  const problem = firstProblem(nested, format);
  if (problem !== undefined) return unread(problem);
  const groups = joined(withoutRemarks(nested), format, repairs).map((group) => ({
    boxes: toBoxes(group, space, format, repairs),
    isList: group.numbers.length === 0,
  }));
  if (groups.length === 0 || groups.some(({ boxes }) => boxes === null)) return unreadable();
  const answers = groups.map(({ boxes }) => boxes!);
  const isListed = groups.some(({ isList }) => isList);
  const agree = groups.every(({ isList }) => isList) && answers.every((boxes) => sameBoxes(boxes, answers[0]!));
  if (isListed && !agree) return null;
  const boxes = isListed ? answers[0]! : answers.flat();
  const odd = scaleRepair(
    boxes.flatMap(({ x, y, width, height }) => [x, y, x + width, y + height]),
    space,
  );
  if (odd !== undefined) repairs.add(odd);
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

/** The largest coordinate: larger than any image, and small enough for areas to stay finite. */
export const MAX_COORDINATE = 1e7;

/** The first reason why a box in these brackets cannot be read: its key. */
function firstProblem(groups: readonly Nested[], format: BoxFormat): string | undefined {
  for (const { key, numbers, lists } of groups) {
    const problem = key && numbers.length + lists.length > 0 ? unknownKey(key, format) : undefined;
    const found = problem ?? firstProblem(lists, format);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Joins two neighbouring points, at any depth, to the box whose corners they are; other brackets stay. */
function joined(groups: readonly Nested[], format: BoxFormat, repairs: Set<string>): readonly Nested[] {
  if (format !== "xyxy") return groups;
  if (groups.length > 0 && groups.length % 2 === 0 && groups.every(isPair)) {
    repairs.add("points for corners");
    return Array.from({ length: groups.length / 2 }, (_, i) => {
      const [first, second] = [groups[2 * i]!, groups[2 * i + 1]!];
      return {
        numbers: [...first.numbers, ...second.numbers],
        written: [...first.written, ...second.written],
        lists: [],
      };
    });
  }
  return groups.map((group) => {
    const lists = joined(group.lists, format, repairs);
    // A list of two points is a box, not a list of one.
    return group.lists.length === 2 && lists.length === 1 ? lists[0]! : { ...group, lists };
  });
}

/** The box of a bracket of numbers, or a list's boxes; null for numbers that are not a box. */
function toBoxes(
  { numbers, written, lists }: Nested,
  space: BoxSpace,
  format: BoxFormat,
  repairs: Set<string>,
): Box[] | null {
  if (numbers.length > 0) return toBox(numbers, written, space, format);
  if (lists.some((inner) => inner.numbers.length === 0)) repairs.add("extra brackets");
  const boxes = lists.map((inner) => toBoxes(inner, space, format, repairs));
  return boxes.every((inner) => inner !== null) ? boxes.flat() : null;
}

function toBox(
  numbers: readonly number[],
  written: readonly string[],
  space: BoxSpace,
  format: BoxFormat,
): [Box] | null {
  if (numbers.length !== 4 || !numbers.every((value) => Math.abs(value) <= MAX_COORDINATE)) return null;
  const [x, y, width, height] = boxNotations[format].read(written);
  return width! > 0 && height! > 0 ? [{ space, x: x!, y: y!, width: width!, height: height! }] : null;
}
