import { Matrix } from "ml-matrix";
import munkres from "munkres-js";
import { choice, specOf } from "../options/spec";

/** A ground-truth region and the predicted one it was matched with, by index. */
export interface Match {
  readonly truth: number;
  readonly prediction: number;
  readonly iou: number;
}

/**
 * The divisor of the matched IoUs: N_g (the paper), N_pred (the published COCO code), or the larger (the published LISA
 * code).
 */
export type Denominator = (typeof denominators)[number];
export const denominators = ["truth", "predicted", "max"] as const;

/** Options of `detectionSimilarity` and `segmentationSimilarity`. */
export interface SimilarityOptions {
  /** N ("truth"). */
  readonly denominator?: Denominator;
}

export const similaritySpec = specOf<SimilarityOptions>()(() => ({
  denominator: choice(denominators).default("truth").describe("N: what the matched IoUs are divided by"),
}));

/** IoU of two regions. */
type Iou<T> = (a: T, b: T) => number;

/**
 * The mean (1 / N) Σ_j IoU(A_j, Â_{k_j}) after optimal matching. When either side is empty: 1 if both are, else 0.
 *
 * Source: RISE, Eq. 6.
 */
export function matchedSimilarity<T>(
  truth: readonly T[],
  prediction: readonly T[],
  iou: Iou<T>,
  denominator: Denominator,
): number {
  if (truth.length === 0 || prediction.length === 0) return truth.length === prediction.length ? 1 : 0;
  const count = {
    truth: truth.length,
    predicted: prediction.length,
    max: Math.max(truth.length, prediction.length),
  }[denominator];
  const sum = matchByIou(truth, prediction, iou).reduce((total, match) => total + match.iou, 0);
  return Math.min(1, sum / count);
}

/**
 * Finds the one-to-one matching with the largest total IoU; pairs that do not overlap are left out.
 *
 * The Hungarian algorithm gets one connected component of overlapping regions at a time, reduced to the regions that an
 * optimal matching can need, so its cubic cost stays small.
 *
 * @returns matches in the order of `truth`
 */
export function matchByIou<T>(truth: readonly T[], prediction: readonly T[], iou: Iou<T>): Match[] {
  if (truth.length === 0 || prediction.length === 0) return [];
  const ious = new Matrix(truth.map((a) => prediction.map((b) => iou(a, b))));
  return overlapComponents(ious)
    .flatMap((component) => assign(ious, component))
    .sort((a, b) => a.truth - b.truth);
}

interface Component {
  readonly rows: number[];
  readonly columns: number[];
}

/** Rows and columns linked by IoU > 0; a matching across components gains nothing. */
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
function assign(ious: Matrix, component: Component): Match[] {
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
 * Selects the regions of the longer side that are among the k best of a region on the shorter side, k being its length:
 * the other k − 1 can take at most k − 1 of a region's k best, so an optimal matching never needs more.
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
