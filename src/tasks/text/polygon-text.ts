import { isSimple, samePoints } from "../../similarity/polygons";
import type { BoxSpace, Point, Polygon } from "../../types";
import { MAX_COORDINATE } from "./box-text";
import { type Read, type Unread, unread } from "./lenient";
import { type Nested, readNested, withoutRemarks } from "./nested-numbers";
import { saysNothing, scaleRepair } from "./scale";

/** Writes `[[[x, y], [x, y], [x, y]], …]`, a list of points for each polygon. */
export function formatPolygons(polygons: readonly Polygon[]): string {
  const point = ([x, y]: Point) => `[${x}, ${y}]`;
  return `[${polygons.map(({ points }) => `[${points.map(point).join(", ")}]`).join(", ")}]`;
}

/**
 * Reads the polygons in a text, in linear time: one list of polygons, or polygons one after the other.
 *
 * As asked: `[[[x, y], [x, y], [x, y], …], …]` and nothing around it. Understood, and named in `repairs`: round
 * brackets, spaces for commas, trailing commas, brackets too few or too many, a corner said twice in a row or again at
 * the end, the same answer twice, prose or a code fence around it, a pair of numbers that a sentence mentions; `[]`,
 * "None" or "No objects" alone (`saysNothing`) mean no polygon. Named in `repairs` and left as they are:
 * coordinates outside the image, or of another unit. Never guessed, so not read: points of another length than two,
 * fewer than three corners, edges that cross, more than 1000 corners in all, a list that stops in the middle or
 * continues with an ellipsis, two lists that differ.
 */
export function readPolygons(text: string, space: BoxSpace): Read<readonly Polygon[]> | Unread | null {
  if (saysNothing(text)) return { value: [], repairs: ["a word for an empty list"] };
  const repairs = new Set<string>();
  const nested = readNested(text, repairs);
  if (!nested) return null;
  const groups = withoutRemarks(nested);
  if (groups.length === 0) return null;
  const count = corners(groups);
  if (count > MAX_CORNERS) return unread(`outlines have ${count} corners in all, and at most ${MAX_CORNERS} are read`);
  const answers = groups.map((nested) => ({
    isList: !isRing(nested),
    polygons: toPolygons(nested, space, repairs),
  }));
  if (answers.some(({ polygons }) => polygons === null)) return null;
  const lists = answers.map(({ polygons }) => polygons!);
  const odd = scaleRepair(
    lists.flatMap((polygons) => polygons.flatMap(({ points }) => points.flat())),
    space,
  );
  if (odd !== undefined) repairs.add(odd);
  if (answers.every(({ isList }) => !isList)) {
    repairs.add("missing brackets");
    return { value: lists.flat(), repairs: [...repairs] };
  }
  const agree = answers.every(({ isList }) => isList) && lists.every((list) => samePolygons(list, lists[0]!));
  if (!agree) return null;
  if (lists.length > 1) repairs.add("said twice");
  return { value: lists[0]!, repairs: [...repairs] };
}

/** The most corners that are read, more than an answer can hold; it keeps the search for crossings short. */
export const MAX_CORNERS = 1000;

const corners = (nested: readonly Nested[]): number =>
  nested.reduce((sum, { numbers, lists }) => sum + (numbers.length > 0 ? 1 : corners(lists)), 0);

/** Whether a bracket is a list of points. */
const isRing = ({ lists }: Nested) => lists.length > 0 && lists.every(({ numbers }) => numbers.length > 0);

/** The polygon of a ring, or a list's polygons; null for numbers that are not a polygon. */
function toPolygons(nested: Nested, space: BoxSpace, repairs: Set<string>): Polygon[] | null {
  if (isRing(nested)) return toPolygon(nested, space, repairs);
  // The point stands alone, or among rings.
  if (nested.numbers.length > 0 || nested.lists.some(({ numbers }) => numbers.length > 0)) return null;
  if (nested.lists.some((inner) => !isRing(inner))) repairs.add("extra brackets");
  const polygons = nested.lists.map((inner) => toPolygons(inner, space, repairs));
  return polygons.every((inner) => inner !== null) ? polygons.flat() : null;
}

function toPolygon({ lists }: Nested, space: BoxSpace, repairs: Set<string>): [Polygon] | null {
  const written = lists.map(({ numbers }) => numbers);
  const arePoints = written.every((point) => point.length === 2 && point.every((v) => Math.abs(v) <= MAX_COORDINATE));
  if (!arePoints) return null;
  const all = written as readonly (readonly number[])[] as readonly Point[];
  const points = all.filter(([x, y], i) => {
    const [nextX, nextY] = all[(i + 1) % all.length]!;
    return x !== nextX || y !== nextY;
  });
  if (points.length < all.length) repairs.add("repeated corners");
  return isSimple(points) ? [{ space, points }] : null;
}

const samePolygons = (a: readonly Polygon[], b: readonly Polygon[]): boolean =>
  a.length === b.length && a.every(({ points }, i) => samePoints(points, b[i]!.points));
