import munkres from "munkres-js";
import { accuracy } from "../../../src/metrics/accuracy";
import { jensenShannonDivergence } from "../../../src/metrics/jsd";
import { meanAveragePrecision } from "../../../src/metrics/mean-average-precision";
import { winRate, winRateInterval } from "../../../src/metrics/win-rate";
import { matchBoxes } from "../../../src/similarity/boxes";
import type { Box, LabelDistribution } from "../../../src/types";
import type { Counts, MetricCases } from "./cases";

/** What is recorded, of seed 0. */
export const recordedCounts: Counts = { distributions: 100, detections: 12, boxes: 200, costs: 200 };

/** What peers.py prints of some cases. */
export interface MetricFigures {
  readonly divergence: readonly number[];
  readonly accuracy: readonly number[];
  readonly winRate: readonly {
    readonly winRate: number;
    readonly ties: number;
    readonly interval: readonly number[];
  }[];
  /** `null` where there is nothing to detect or nothing detected. */
  readonly averagePrecision: readonly ({ readonly ap50: number; readonly ap: number } | null)[];
  readonly matchedIou: readonly number[];
  readonly leastCost: readonly number[];
}

/** What this library makes of them. */
export function metricFigures(cases: MetricCases): MetricFigures {
  const pairs = cases.distributions.map((pair) => pair.map(distribution) as [LabelDistribution, LabelDistribution]);
  return {
    divergence: pairs.map(([truth, prediction]) => jensenShannonDivergence(truth, prediction)),
    accuracy: pairs.map(([truth, prediction]) => accuracy([{ truth, prediction }])),
    winRate: cases.divergences.map(([ours, baseline]) => {
      const { winRate: rate, ties } = winRate(ours, baseline);
      return { winRate: rate, ties, interval: winRateInterval(ours, baseline) };
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

const distribution = (values: readonly number[]): LabelDistribution =>
  Object.fromEntries(values.map((value, i) => [`label ${i}`, value]));

const box = ([x, y, width, height]: readonly number[]): Box => {
  return { space: "thousand", x: x!, y: y!, width: width!, height: height! };
};
