import munkres from "munkres-js";
import { compareEvaluations } from "../../../src/evaluation/compare";
import type { Evaluation } from "../../../src/evaluation/records";
import { accuracy } from "../../../src/metrics/accuracy";
import { bootstrapInterval, type Interval, weightedMean } from "../../../src/metrics/bootstrap";
import { jensenShannonDivergence } from "../../../src/metrics/jsd";
import { meanAveragePrecision } from "../../../src/metrics/mean-average-precision";
import { winRate, winRateInterval } from "../../../src/metrics/win-rate";
import { matchBoxes } from "../../../src/similarity/boxes";
import type { Box, LabelDistribution } from "../../../src/types";
import type { Counts, MetricCases } from "./cases";

/** The recorded figures, of seed 0. */
export const recordedCounts: Counts = { distributions: 100, detections: 12, boxes: 200, costs: 200 };

/** The figures that peers.py prints for some cases. */
export interface MetricFigures {
  readonly divergence: readonly number[];
  readonly accuracy: readonly number[];
  readonly winRate: readonly {
    readonly winRate: number;
    readonly ties: number;
    readonly interval: readonly number[];
  }[];
  /** Bootstrap intervals of a mean and of the difference of two, and the p-value of the difference. */
  readonly paired: readonly {
    readonly mean: readonly number[];
    readonly difference: readonly number[];
    readonly pValue: number;
  }[];
  /** `null` where there is nothing to detect or nothing detected. */
  readonly averagePrecision: readonly ({ readonly ap50: number; readonly ap: number } | null)[];
  readonly matchedIou: readonly number[];
  readonly leastCost: readonly number[];
}

/** This library's figures for them. */
export function metricFigures(cases: MetricCases): MetricFigures {
  const pairs = cases.distributions.map((pair) => pair.map(distribution) as [LabelDistribution, LabelDistribution]);
  return {
    divergence: pairs.map(([truth, prediction]) => jensenShannonDivergence(truth, prediction)),
    accuracy: pairs.map(([truth, prediction]) => accuracy([{ truth, prediction }])),
    winRate: cases.divergences.map(([ours, baseline]) => {
      const { winRate: rate, ties } = winRate(ours, baseline);
      return { winRate: rate, ties, interval: winRateInterval(ours, baseline) };
    }),
    paired: cases.paired.map(([a, b]) => {
      const options = { resamples: 20_000 };
      const ends = ({ low, high }: Interval) => [low, high];
      const { interval, pValue } = compareEvaluations(recordsOf(a), recordsOf(b), options).similarity;
      return { mean: ends(bootstrapInterval(a.length, weightedMean(a), options)), difference: ends(interval), pValue };
    }),
    averagePrecision: cases.detections.map((rows) => {
      const isEmpty = (of: "truth" | "prediction") => rows.every((row) => row[of].length === 0);
      if (isEmpty("truth") || isEmpty("prediction")) return null;
      const outcomes = rows.map(({ category, truth, crowds, prediction }) => {
        return { category, truth: truth.map(box), crowds: crowds.map(box), prediction: prediction.map(box) };
      });
      const { ap50, ap } = meanAveragePrecision(outcomes);
      return { ap50, ap };
    }),
    matchedIou: cases.boxes.map(([truth, found]) =>
      matchBoxes(truth.map(box), found.map(box)).reduce((sum, { iou }) => sum + iou, 0),
    ),
    leastCost: cases.costs.map((costs) => munkres(costs).reduce((sum, [row, column]) => sum + costs[row]![column]!, 0)),
  };
}

const recordsOf = (similarities: readonly number[]): Pick<Evaluation<null, never>, "records"> => ({
  records: similarities.map((similarity, i) => ({
    ...{ exampleId: `${i}`, text: "", finishReason: "stop", think: "", prediction: null, truth: null },
    metrics: { similarity },
  })),
});

const distribution = (values: readonly number[]): LabelDistribution =>
  Object.fromEntries(values.map((value, i) => [`label ${i}`, value]));

const box = ([x, y, width, height]: readonly number[]): Box => {
  return { space: "thousand", x: x!, y: y!, width: width!, height: height! };
};

/** How far two systems' intervals are apart: the larger distance of their ends over the width. */
export function apart(ours: readonly number[], theirs: readonly number[]): number {
  const width = theirs[1]! - theirs[0]!;
  return Math.max(...theirs.map((end, i) => Math.abs(ours[i]! - end) / width));
}
