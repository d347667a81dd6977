import {
  type Box,
  classification,
  classificationMetrics,
  detection,
  detectionMetrics,
  type Example,
  type LabelDistribution,
  type Task,
} from "rise-ts";
import type { Metrics, Outcome } from "rise-ts/metrics";
import { moodLabels } from "../pictures/mood-labels";
import { moods, type PartSizes, type Parts } from "../pictures/moods";
import { scenes } from "../pictures/scenes";

/** A task, its data, what is measured, and what one can score without looking. */
export interface DemoTask<A> {
  readonly name: string;
  readonly task: Task<A>;
  data(sizes: PartSizes): Promise<Parts<A>>;
  /** The first is the one that decides. */
  readonly metrics: Metrics<A>;
  readonly better: "lower" | "higher";
  /** The same answer for every picture. */
  readonly baselines: Readonly<Record<string, (train: readonly Example<A>[]) => A>>;
}

/** Which mood do people connect with what is shown? Soft labels by people: the stand-in for Emotion6. */
export const moodsDemo: DemoTask<LabelDistribution> = {
  name: "moods",
  task: classification({
    labels: moodLabels,
    name: "moods",
    question: "Which mood do people connect with this image?",
  }),
  data: moods,
  metrics: { jsd: classificationMetrics.jsd, accuracy: classificationMetrics.accuracy },
  better: "lower",
  baselines: {
    uniform: () => Object.fromEntries(moodLabels.map((label) => [label, 1 / 3])),
    "training mean": (train) =>
      Object.fromEntries(moodLabels.map((label) => [label, mean(train.map(({ annotation }) => annotation[label]!))])),
  },
};

/** Where is the one object that the text describes? The stand-in for LISA. */
export const detectionDemo: DemoTask<readonly Box[]> = {
  name: "detection",
  task: detection({ single: true, name: "scenes" }),
  data: scenes,
  metrics: { meanIou: detectionMetrics.meanIou, ap50: detectionMetrics.ap50 },
  better: "higher",
  baselines: {
    "whole picture": () => [{ space: "thousand", x: 0, y: 0, width: 1000, height: 1000 }],
    "training mean": (train) => {
      const average = (side: "x" | "y" | "width" | "height") =>
        Math.round(mean(train.map(({ annotation }) => annotation[0]![side])));
      return [
        { space: "thousand", x: average("x"), y: average("y"), width: average("width"), height: average("height") },
      ];
    },
  },
};

/** What a baseline scores on examples. */
export function scoreBaseline<A>(
  { metrics }: DemoTask<A>,
  prediction: A,
  examples: readonly Example<A>[],
): Record<string, number> {
  const outcomes: Outcome<A>[] = examples.map(({ annotation }) => ({ truth: annotation, prediction }));
  return Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric(outcomes)]));
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
