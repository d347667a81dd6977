import { findLeaks } from "../checks/leakage";
import { DataError } from "../errors";
import { excerpt, shown } from "../options/display";
import { readOptions, specOf, text } from "../options/spec";
import { matchedSimilarity } from "../similarity/matching";
import { iouOfPolygons, isSimple } from "../similarity/polygons";
import type { Task } from "../task";
import type { BoxSpace, Polygon } from "../types";
import { type LocatingOptions, locating, locatingSpec } from "./grounding";
import { MAX_COORDINATE } from "./text/box-text";
import { parsing } from "./text/lenient";
import { formatPolygons, MAX_CORNERS, readPolygons } from "./text/polygon-text";

/** Options of `segmentation`. */
export interface SegmentationOptions extends LocatingOptions {
  /** The task's name (`"segmentation"`). */
  readonly name?: string;
}

export const segmentationSpec = specOf<SegmentationOptions>()(() => ({
  ...locatingSpec(),
  name: text().default("segmentation").describe("The task's name"),
}));

/**
 * A task whose annotations are outlines: simple polygons without holes, written `[[[x, y], [x, y], [x, y], …], …]`.
 *
 * @throws ConfigError for an empty target, placeholders that do not fit, and an unknown space, denominator or reading
 * @example
 * segmentation({ target: "mug" }).parse("[[[0, 0], [10, 0], [0, 10]]]");
 */
export function segmentation(options: SegmentationOptions = {}): Task<readonly Polygon[]> {
  const settings = readOptions("segmentation", options, segmentationSpec);
  const { similarity, space, name, reading } = settings;
  const form = "[[[x, y], [x, y], [x, y], ...], ...]";
  return {
    name,
    ...locating("segmentation", settings, { form, scale: scales[space], format: formatPolygons }),
    format: formatPolygons,
    ...parsing((text) => readPolygons(text, space), reading),
    similarity: (truth, prediction) => matchedSimilarity(truth, prediction, iouOfPolygons, similarity),
    // The target's name is in every prompt, so saying it gives nothing away.
    leaks: (cot, annotation) => findLeaks(cot, { answer: formatPolygons(annotation) }),
    validate: (polygons, where) => {
      if (!Array.isArray(polygons))
        throw new DataError(`${where}: expected a list of outlines, got ${shown(polygons)}`);
      polygons.forEach((polygon, i) => void validateShape(polygon, space, `polygon ${i} of ${where}`));
      const corners = polygons.reduce((sum, { points }) => sum + points.length, 0);
      if (corners > MAX_CORNERS)
        throw new DataError(`${where}: expected at most ${MAX_CORNERS} corners in all, got ${corners}; simplify it`);
      polygons.forEach((polygon, i) => void validateOutline(polygon, space, `polygon ${i} of ${where}`));
    },
    draw: (polygons) => polygons.map((polygon) => ({ type: "polygon", ...polygon })),
  };
}

const scales: Readonly<Record<BoxSpace, string>> = {
  unit: "an outline for each, its corners in order as fractions of the image, from 0 to 1",
  thousand: "an outline for each, its corners in order, x and y each from 0 to 1000 across the image",
  pixel: "an outline for each, its corners in order in pixels",
};

function validateShape(polygon: Polygon, space: BoxSpace, where: string): void {
  if (!(polygon?.space && Array.isArray(polygon.points as unknown)))
    throw new DataError(`${where}: expected { space, points }, got ${shown(polygon)}`);
  if (polygon.space !== space)
    throw new DataError(`${where}: expected the task's space "${space}", got ${shown(polygon.space)}`);
  validatePoints(polygon.points, where);
}

/** Checks points that come from a file and may be anything. */
function validatePoints(points: readonly unknown[], where: string): void {
  const at = points.findIndex((point) => !(isNumbers(point) && point.length === 2));
  if (at < 0) return;
  const found = points[at];
  const written = Array.isArray(found) ? excerpt(`[${found.map(shown).join(", ")}]`) : shown(found);
  const isFlat = [points, found].some((list) => isNumbers(list) && list.length >= 6 && list.length % 2 === 0);
  throw new DataError(
    `${where}: expected points [x, y] of two finite numbers, got ${written} as number ${at}${isFlat ? "; write COCO's flat list [x, y, x, y, …] as pairs" : ""}`,
  );
}

const isNumbers = (list: unknown): list is readonly number[] => Array.isArray(list) && list.every(Number.isFinite);

function validateOutline({ points }: Polygon, space: BoxSpace, where: string): void {
  const side = { unit: 1, thousand: 1000, pixel: MAX_COORDINATE }[space];
  const bad = points.find((point) => !point.every((value) => value >= 0 && value <= side));
  if (bad) throw new DataError(`${where}: expected corners within 0 … ${side}, got [${bad.join(", ")}]`);
  if (!isSimple(points))
    throw new DataError(
      `${where}: expected three corners or more, each named once, an area, and edges that do not cross, got ${formatPolygons([{ space, points }])}`,
    );
}
