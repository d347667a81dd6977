import { DataError } from "../errors";
import { boxIou } from "../similarity/boxes";
import type { Box } from "../types";
import type { Outcome } from "./outcome";

export interface AveragePrecision {
  /** AP at IoU 0.5, mean over categories: the paper's mAP. */
  readonly ap50: number;
  /** AP averaged over IoU 0.50, 0.55, … 0.95, mean over categories: COCO's own. */
  readonly ap: number;
  /** Both for each category that has ground truth. */
  readonly categories: Readonly<Record<string, { readonly ap50: number; readonly ap: number }>>;
}

/**
 * Mean average precision as COCO defines it: greedy matching in rank order, precision made monotone, sampled at 101 recalls.
 *
 * Models give no confidence, so boxes rank by their place in the answer, then by area, larger first. At most the first 100 of
 * an answer count. An answer that does not parse detects nothing. A box that matches no ground truth, but lies in a crowd with at
 * least the threshold's share of its area, counts neither for nor against.
 *
 * @param outcomes an example per image and category; without categories all are one
 * @returns values in [0, 1]
 * @throws DataError when no example has a ground-truth box
 * Source: RISE, mAP in Tables 1 and 2; COCO detection evaluation, area "all".
 */
export function meanAveragePrecision(outcomes: readonly Outcome<readonly Box[]>[]): AveragePrecision {
  const names = new Set(outcomes.map(({ category = "all" }) => category));
  const categories = [...names].flatMap((name) => {
    const rows = outcomes.filter(({ category = "all" }) => category === name);
    const positives = rows.reduce((sum, { truth }) => sum + truth.length, 0);
    // Precision without ground truth is undefined: COCO leaves such categories out.
    if (positives === 0) return [];
    const precisions = iouThresholds.map((threshold) => averagePrecision(rows, positives, threshold));
    return [[name, { ap50: precisions[0]!, ap: mean(precisions) }] as const];
  });
  if (categories.length === 0)
    throw new DataError("meanAveragePrecision needs at least one ground-truth box, but got none");
  return {
    ap50: mean(categories.map(([, { ap50 }]) => ap50)),
    ap: mean(categories.map(([, { ap }]) => ap)),
    categories: Object.fromEntries(categories),
  };
}

/** 0.50, 0.55, … 0.95 */
const iouThresholds = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/** 0.00, 0.01, … 1.00, multiplied out rather than divided, as the reference does: a recall of 0.57 is below the 57th. */
const recallThresholds = Array.from({ length: 101 }, (_, i) => i * 0.01);

const MAX_DETECTIONS = 100;

interface Detection {
  readonly rank: number;
  readonly area: number;
  readonly isHit: boolean;
}

function averagePrecision(rows: readonly Outcome<readonly Box[]>[], positives: number, threshold: number): number {
  const detections = rows
    .flatMap(({ truth, prediction, crowds = [] }) => detect(truth, prediction ?? [], crowds, threshold))
    .sort((a, b) => a.rank - b.rank || b.area - a.area);
  let hits = 0;
  const curve = detections.map(({ isHit }, i) => {
    if (isHit) hits++;
    return { recall: hits / positives, precision: hits / (i + 1) };
  });
  // The best precision at this recall or any higher one.
  const envelope = curve.map(({ precision }) => precision);
  for (let i = envelope.length - 2; i >= 0; i--) envelope[i] = Math.max(envelope[i]!, envelope[i + 1]!);
  let at = 0;
  return mean(
    recallThresholds.map((recall) => {
      while (at < curve.length && curve[at]!.recall < recall) at++;
      return envelope[at] ?? 0;
    }),
  );
}

/** In rank order every box takes the free ground truth it overlaps most, if that is enough; the later of equals, as in COCO. */
function detect(
  truth: readonly Box[],
  prediction: readonly Box[],
  crowds: readonly Box[],
  threshold: number,
): Detection[] {
  const taken = new Set<number>();
  return prediction.slice(0, MAX_DETECTIONS).flatMap((box, rank) => {
    let best = -1;
    let bestIou = threshold;
    truth.forEach((other, i) => {
      const iou = taken.has(i) ? -1 : boxIou(other, box);
      if (iou < bestIou) return;
      best = i;
      bestIou = iou;
    });
    if (best >= 0) taken.add(best);
    else if (crowds.some((crowd) => shareInside(box, crowd) >= threshold)) return [];
    return [{ rank, area: box.width * box.height, isHit: best >= 0 }];
  });
}

/** |box ∩ crowd| / |box|.  @throws ConfigError when the boxes are in different spaces */
function shareInside(box: Box, crowd: Box): number {
  if (boxIou(box, crowd) === 0) return 0;
  const width = Math.min(box.x + box.width, crowd.x + crowd.width) - Math.max(box.x, crowd.x);
  const height = Math.min(box.y + box.height, crowd.y + crowd.height) - Math.max(box.y, crowd.y);
  return (width * height) / (box.width * box.height);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
