import { Matrix } from "ml-matrix";
import munkres from "munkres-js";
import { ConfigError } from "../errors";
import type { Box, BoxSpace } from "../types";

/** A ground-truth box and the predicted box it was matched with, by index. */
export interface BoxMatch {
  readonly truth: number;
  readonly prediction: number;
  readonly iou: number;
}

/** What the matched IoUs are divided by: N_g (the paper), N_pred (the published COCO code), or the larger (the published LISA code). */
export type BoxDenominator = "truth" | "predicted" | "max";

/**
 * Mean IoU after optimal matching:
 *
 * S(A, Â) = (1 / N) Σ_j IoU(A_j, Â_{k_j})
 *
 * Unmatched ground truth counts 0. With N = N_g, as printed, boxes too many cost nothing; `"max"` makes them cost.
 * When either side is empty: 1 if both are, else 0.
 *
 * @param options.denominator N (`"truth"`)
 * @returns S in [0, 1]
 * @throws ConfigError when boxes of different spaces meet
 * Source: RISE, Eq. 6.
 */
export function detectionSimilarity(
  truth: readonly Box[],
  prediction: readonly Box[],
  { denominator = "truth" }: { readonly denominator?: BoxDenominator } = {},
): number {
  if (truth.length === 0 || prediction.length === 0) return truth.length === prediction.length ? 1 : 0;
  const count = {
    truth: truth.length,
    predicted: prediction.length,
    max: Math.max(truth.length, prediction.length),
  }[denominator];
  const sum = matchBoxes(truth, prediction).reduce((total, { iou }) => total + iou, 0);
  return Math.min(1, sum / count);
}

/**
 * The one-to-one matching with the largest total IoU; pairs that do not overlap are left out.
 *
 * The Hungarian algorithm sees one connected component of overlapping boxes at a time, and of those only the boxes that an
 * optimal matching can need, so its cubic cost never meets a long list of boxes.
 *
 * @returns matches in the order of `truth`
 * @throws ConfigError when boxes of different spaces meet
 */
export function matchBoxes(truth: readonly Box[], prediction: readonly Box[]): BoxMatch[] {
  if (truth.length === 0 || prediction.length === 0) return [];
  const ious = new Matrix(truth.map((a) => prediction.map((b) => boxIou(a, b))));
  return overlapComponents(ious)
    .flatMap((component) => assign(ious, component))
    .sort((a, b) => a.truth - b.truth);
}

/**
 * Intersection over union, |a ∩ b| / |a ∪ b|; 0 for a box without area or with a coordinate that is not finite.
 * @throws ConfigError when the boxes are in different spaces
 */
export function boxIou(a: Box, b: Box): number {
  if (a.space !== b.space) {
    throw new ConfigError(
      `boxes must be in one space to be compared, but these are in "${a.space}" and "${b.space}": use convertBox`,
    );
  }
  // Every length comes from the same corners, so that a box and itself give exactly 1.
  const [aRight, aBottom, bRight, bBottom] = [a.x + a.width, a.y + a.height, b.x + b.width, b.y + b.height];
  const width = Math.min(aRight, bRight) - Math.max(a.x, b.x);
  const height = Math.min(aBottom, bBottom) - Math.max(a.y, b.y);
  if (!(width > 0 && height > 0)) return 0;
  const intersection = width * height;
  const union = (aRight - a.x) * (aBottom - a.y) + (bRight - b.x) * (bBottom - b.y) - intersection;
  // Areas beyond what a double can hold.
  if (!(union > 0 && union < Number.POSITIVE_INFINITY)) return 0;
  return Math.min(1, intersection / union);
}

/**
 * The same box in another space: the only place where coordinates are converted.
 *
 * `thousand` is for models to write, so its corners are rounded to integers and kept inside the image, at least 1 wide and
 * high. A box already in `space` comes back as it is.
 *
 * @param imageSize the image's size in pixels: what `pixel` boxes are measured in
 * @throws ConfigError for an image without size
 */
export function convertBox(
  box: Box,
  space: BoxSpace,
  imageSize: { readonly width: number; readonly height: number },
): Box {
  if (box.space === space) return box;
  if (!(imageSize.width > 0 && imageSize.height > 0)) {
    throw new ConfigError(`convertBox needs an image size in pixels, but got ${imageSize.width}×${imageSize.height}`);
  }
  const horizontal = scale(space, imageSize.width) / scale(box.space, imageSize.width);
  const vertical = scale(space, imageSize.height) / scale(box.space, imageSize.height);
  const [x, width] = span(box.x * horizontal, box.width * horizontal, space);
  const [y, height] = span(box.y * vertical, box.height * vertical, space);
  return { space, x, y, width, height };
}

/** How much one image side measures in a space. */
function scale(space: BoxSpace, pixels: number): number {
  return { unit: 1, thousand: 1000, pixel: pixels }[space];
}

function span(low: number, length: number, space: BoxSpace): [start: number, length: number] {
  if (space !== "thousand") return [low, length];
  const start = Math.min(999, Math.max(0, Math.round(low)));
  return [start, Math.min(1000, Math.max(start + 1, Math.round(low + length))) - start];
}

interface Component {
  readonly rows: number[];
  readonly columns: number[];
}

/** Rows and columns linked by IoU > 0; no matching across components can gain anything. */
function overlapComponents(ious: Matrix): Component[] {
  const seenRow = new Set<number>();
  const seenColumn = new Set<number>();
  const components: Component[] = [];
  for (let first = 0; first < ious.rows; first++) {
    if (seenRow.has(first)) continue;
    const component: Component = { rows: [], columns: [] };
    const queue = [first];
    seenRow.add(first);
    for (let row = queue.pop(); row !== undefined; row = queue.pop()) {
      component.rows.push(row);
      for (let column = 0; column < ious.columns; column++) {
        if (seenColumn.has(column) || !(ious.get(row, column) > 0)) continue;
        seenColumn.add(column);
        component.columns.push(column);
        for (let other = 0; other < ious.rows; other++) {
          if (seenRow.has(other) || !(ious.get(other, column) > 0)) continue;
          seenRow.add(other);
          queue.push(other);
        }
      }
    }
    if (component.columns.length > 0) components.push(component);
  }
  return components;
}

/** The optimal assignment inside one component. */
function assign(ious: Matrix, component: Component): BoxMatch[] {
  const wide = component.rows.length <= component.columns.length;
  const columns = wide ? bestOf(component.columns, component.rows, (c, r) => ious.get(r, c)) : component.columns;
  const rows = wide ? component.rows : bestOf(component.rows, component.columns, (r, c) => ious.get(r, c));
  const costs = rows.map((row) => columns.map((column) => 1 - ious.get(row, column)));
  return munkres(costs).flatMap(([i, j]) => {
    const [truth, prediction] = [rows[i]!, columns[j]!];
    const iou = ious.get(truth, prediction);
    return iou > 0 ? [{ truth, prediction, iou }] : [];
  });
}

/**
 * Of the longer side, the boxes among the k best of some box on the shorter side, k the length of the shorter side: the other
 * k − 1 boxes can take at most k − 1 of a box's k best, so an optimal matching never needs more.
 */
function bestOf(
  longer: readonly number[],
  shorter: readonly number[],
  iou: (long: number, short: number) => number,
): number[] {
  const keep = new Set<number>();
  for (const short of shorter) {
    const ranked = [...longer].sort((a, b) => iou(b, short) - iou(a, short));
    for (const long of ranked.slice(0, shorter.length)) keep.add(long);
  }
  return longer.filter((long) => keep.has(long));
}
