import { ConfigError } from "../errors";
import { checkArguments, fieldsKind, listKind, numberKind, textKind } from "../options/arguments";
import { readOptions } from "../options/spec";
import type { Point, Polygon } from "../types";
import { matchedSimilarity, type SimilarityOptions, similaritySpec } from "./matching";
import { overlapArea } from "./overlap";

/**
 * `detectionSimilarity` with polygons in place of boxes: S(A, Â) = (1 / N) Σ_j IoU(A_j, Â_{k_j}) after optimal
 * matching.
 *
 * @param options.denominator N (`"truth"`)
 * @returns S in [0, 1]
 * @throws ConfigError when polygons of different spaces meet, and for an unknown denominator
 * Source: RISE, Eq. 6; the paper's conclusion names segmentation as the next task.
 * @example
 * segmentationSimilarity([polygon], [polygon]); // 1
 */
export function segmentationSimilarity(
  truth: readonly Polygon[],
  prediction: readonly Polygon[],
  options: SimilarityOptions = {},
): number {
  checkArguments("segmentationSimilarity", { truth, prediction }, { truth: polygonsKind, prediction: polygonsKind });
  const { denominator } = readOptions("segmentationSimilarity", options, similaritySpec);
  return matchedSimilarity(truth, prediction, iouOfPolygons, denominator);
}

/**
 * Intersection over union, |a ∩ b| / |a ∪ b|, of two simple polygons, exact except for rounding.
 * @throws ConfigError when they are in different spaces
 * @example
 * polygonIou(polygon, polygon); // 1
 */
export function polygonIou(a: Polygon, b: Polygon): number {
  checkArguments("polygonIou", { a, b }, { a: polygonKind, b: polygonKind });
  return iouOfPolygons(a, b);
}

const polygonKind = fieldsKind({ space: textKind, points: listKind(listKind(numberKind)) });
export const polygonsKind = listKind(polygonKind);

/** `polygonIou` without checks of the arguments, for inner loops. */
export function iouOfPolygons(a: Polygon, b: Polygon): number {
  if (a.space !== b.space) throw new ConfigError(`polygons: expected one space, got "${a.space}" and "${b.space}"`);
  if (samePoints(a.points, b.points)) return 1;
  if (!extentsMeet(a.points, b.points)) return 0;
  const common = overlapArea(a.points, b.points);
  const union = area(a.points) + area(b.points) - common;
  return union > 0 ? Math.min(1, Math.max(0, common / union)) : 0;
}

/** The area inside a ring of points, closed or not. */
export function area(points: readonly Point[]): number {
  // Measured from the first corner, because coordinates far from the origin would cost digits.
  const [x0, y0] = points[0] ?? [0, 0];
  let twice = 0;
  for (let i = 1; i + 1 < points.length; i++) {
    const [x, y] = points[i]!;
    const [nextX, nextY] = points[i + 1]!;
    twice += (x - x0) * (nextY - y0) - (nextX - x0) * (y - y0);
  }
  return Math.abs(twice) / 2;
}

/** Whether edges only touch their neighbours, at the common corner, and the area is above 0. */
export function isSimple(points: readonly Point[]): boolean {
  const n = points.length;
  if (n < 3 || !(area(points) > 0)) return false;
  const corner = (i: number) => points[i % n]!;
  for (let i = 0; i < n; i++) {
    // A neighbour may not run back over an edge.
    if (turn(corner(i), corner(i + 1), corner(i + 2)) === 0 && !isBetween(corner(i), corner(i + 1), corner(i + 2)))
      return false;
    for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue;
      if (edgesTouch(corner(i), corner(i + 1), corner(j), corner(j + 1))) return false;
    }
  }
  return true;
}

export const samePoints = (a: readonly Point[], b: readonly Point[]): boolean =>
  a.length === b.length && a.every(([x, y], i) => x === b[i]![0] && y === b[i]![1]);

function extentsMeet(a: readonly Point[], b: readonly Point[]): boolean {
  return [0, 1].every((axis) => {
    const [low, high] = extent(a, axis);
    const [otherLow, otherHigh] = extent(b, axis);
    return low < otherHigh && otherLow < high;
  });
}

function extent(points: readonly Point[], axis: number): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const point of points) {
    low = Math.min(low, point[axis]!);
    high = Math.max(high, point[axis]!);
  }
  return [low, high];
}

/** The direction in which a → b → c turns: the sign of the cross product; 0 on one line. */
const turn = ([ax, ay]: Point, [bx, by]: Point, [cx, cy]: Point): number =>
  Math.sign((bx - ax) * (cy - ay) - (cx - ax) * (by - ay));

/** Whether b lies in the box that a and c span. */
const isBetween = ([ax, ay]: Point, [bx, by]: Point, [cx, cy]: Point): boolean =>
  Math.min(ax, cx) <= bx && bx <= Math.max(ax, cx) && Math.min(ay, cy) <= by && by <= Math.max(ay, cy);

function edgesTouch(a: Point, b: Point, c: Point, d: Point): boolean {
  const [abc, abd, cda, cdb] = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (abc !== abd && cda !== cdb) return true;
  return (
    (abc === 0 && isBetween(a, c, b)) ||
    (abd === 0 && isBetween(a, d, b)) ||
    (cda === 0 && isBetween(c, a, d)) ||
    (cdb === 0 && isBetween(c, b, d))
  );
}
