import { DataError } from "../errors";
import { checkArguments, fieldsKind, listKind, presentKind } from "../options/arguments";
import { boxesKind, iouOfBoxes } from "../similarity/boxes";
import type { Box } from "../types";
import type { Counts } from "./bootstrap";
import type { Outcome } from "./outcome";

/** COCO's average precision, over thresholds of IoU and at some. */
export interface AveragePrecision {
  /** AP at IoU 0.5, mean over categories: the paper's mAP. */
  readonly ap50: number;
  /** AP averaged over IoU 0.50, 0.55, … 0.95, mean over categories: COCO's own. */
  readonly ap: number;
  /** Both for each category that has ground truth. */
  readonly categories: Readonly<Record<string, { readonly ap50: number; readonly ap: number }>>;
}

const boxOutcomes = listKind(fieldsKind({ truth: boxesKind, prediction: presentKind }));

/**
 * Mean average precision as COCO defines it: greedy matching in rank order, precision made monotone, sampled at 101
 * recalls.
 *
 * Models give no confidence, so boxes rank by their place in the answer, then by area, larger first. Only the first 100
 * of an answer count. An answer that does not parse detects nothing. A box that matches no ground truth, but lies
 * in a crowd with at least the threshold's share of its area, counts neither for nor against.
 *
 * @param outcomes an example per image and category; without categories all are one
 * @returns values in [0, 1]
 * @throws DataError when no example has a ground-truth box
 * Source: RISE, mAP in Tables 1 and 2; COCO detection evaluation, area "all".
 * @example
 * const { ap50 } = meanAveragePrecision([{ truth: [box], prediction: [box], category: "mug" }]);
 */
export function meanAveragePrecision(outcomes: readonly Outcome<readonly Box[]>[]): AveragePrecision {
  checkArguments("meanAveragePrecision", { outcomes }, { outcomes: boxOutcomes });
  const once = new Uint32Array(outcomes.length).fill(1);
  const categories = prepare(outcomes, iouThresholds).flatMap((category) => {
    const precisions = averagePrecisions(category, once);
    return precisions ? [[category.name, { ap50: precisions[0]!, ap: mean(precisions) }] as const] : [];
  });
  if (categories.length === 0)
    throw new DataError("meanAveragePrecision: expected at least one ground-truth box, got none");
  return {
    ap50: mean(categories.map(([, { ap50 }]) => ap50)),
    ap: mean(categories.map(([, { ap }]) => ap)),
    categories: Object.fromEntries(categories),
  };
}

/**
 * `meanAveragePrecision` of outcomes by how often each is there. Boxes are matched and ranked once, so that a resample
 * costs one walk over them; among equal boxes, the earlier example's ranks first.
 *
 * @returns `NaN` if no example that is there has a ground-truth box
 */
export function weightedAveragePrecision(
  outcomes: readonly Outcome<readonly Box[]>[],
  of: "ap50" | "ap",
): (counts: Counts) => number {
  const categories = prepare(outcomes, of === "ap50" ? [0.5] : iouThresholds);
  return (counts) =>
    mean(
      categories.flatMap((category) => {
        const precisions = averagePrecisions(category, counts);
        return precisions ? [mean(precisions)] : [];
      }),
    );
}

/** The IoUs 0.50, 0.55, … 0.95. */
const iouThresholds = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/**
 * The recalls 0.00, 0.01, … 1.00, multiplied and not divided, as in the reference: a recall of 0.57 is below the 57th.
 */
const recallThresholds = Array.from({ length: 101 }, (_, i) => i * 0.01);

const MAX_DETECTIONS = 100;

interface Detection {
  /** Index of its outcome. */
  readonly outcome: number;
  readonly rank: number;
  readonly area: number;
  readonly isHit: boolean;
}

interface Category {
  readonly name: string;
  /** Ground-truth boxes of each of its outcomes. */
  readonly positives: readonly { readonly outcome: number; readonly boxes: number }[];
  /** In rank order, for each IoU threshold. */
  readonly detections: readonly (readonly Detection[])[];
}

function prepare(outcomes: readonly Outcome<readonly Box[]>[], thresholds: readonly number[]): readonly Category[] {
  const ofCategory = new Map<string, number[]>();
  for (const [i, { category = "all", truth, prediction, crowds = [] }] of outcomes.entries()) {
    checkArguments(
      "meanAveragePrecision",
      { truth, prediction: prediction ?? [], crowds },
      { truth: boxesKind, prediction: boxesKind, crowds: boxesKind },
    );
    const members = ofCategory.get(category) ?? [];
    members.push(i);
    ofCategory.set(category, members);
  }
  return [...ofCategory].map(([name, members]) => ({
    name,
    positives: members.map((outcome) => ({ outcome, boxes: outcomes[outcome]!.truth.length })),
    detections: thresholds.map((threshold) =>
      members
        .flatMap((outcome) => detect(outcomes[outcome]!, outcome, threshold))
        .sort((a, b) => a.rank - b.rank || b.area - a.area),
    ),
  }));
}

/** AP at each threshold; `undefined` without ground truth, as COCO leaves such categories out. */
function averagePrecisions({ positives, detections }: Category, counts: Counts): readonly number[] | undefined {
  const total = positives.reduce((sum, { outcome, boxes }) => sum + counts[outcome]! * boxes, 0);
  return total === 0 ? undefined : detections.map((ranked) => averagePrecision(ranked, counts, total));
}

function averagePrecision(ranked: readonly Detection[], counts: Counts, positives: number): number {
  // One precision for each hit, since a miss has less than the hit before it.
  const precisions: number[] = [];
  let seen = 0;
  for (const { outcome, isHit } of ranked) {
    const copies = counts[outcome]!;
    if (isHit) for (let copy = 1; copy <= copies; copy++) precisions.push((precisions.length + 1) / (seen + copy));
    seen += copies;
  }
  // The best precision at this recall or any higher one.
  for (let i = precisions.length - 2; i >= 0; i--) precisions[i] = Math.max(precisions[i]!, precisions[i + 1]!);
  let hit = 0;
  let sum = 0;
  for (const recall of recallThresholds) {
    while (hit < precisions.length && (hit + 1) / positives < recall) hit++;
    sum += precisions[hit] ?? 0;
  }
  return sum / recallThresholds.length;
}

/**
 * Matches in rank order: every box takes the free ground truth that it overlaps most, if the IoU reaches the threshold;
 * the later of equals, as in COCO.
 */
function detect(
  { truth, prediction, crowds = [] }: Outcome<readonly Box[]>,
  outcome: number,
  threshold: number,
): Detection[] {
  const taken = new Set<number>();
  return (prediction ?? []).slice(0, MAX_DETECTIONS).flatMap((box, rank) => {
    let best = -1;
    let bestIou = threshold;
    truth.forEach((other, i) => {
      const iou = taken.has(i) ? -1 : iouOfBoxes(other, box);
      if (iou < bestIou) return;
      best = i;
      bestIou = iou;
    });
    if (best >= 0) taken.add(best);
    else if (crowds.some((crowd) => shareInside(box, crowd) >= threshold)) return [];
    return [{ outcome, rank, area: box.width * box.height, isHit: best >= 0 }];
  });
}

/** The share |box ∩ crowd| / |box|.  @throws ConfigError when the boxes are in different spaces */
function shareInside(box: Box, crowd: Box): number {
  if (iouOfBoxes(box, crowd) === 0) return 0;
  const width = Math.min(box.x + box.width, crowd.x + crowd.width) - Math.max(box.x, crowd.x);
  const height = Math.min(box.y + box.height, crowd.y + crowd.height) - Math.max(box.y, crowd.y);
  return (width * height) / (box.width * box.height);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
