import { fileURLToPath } from "node:url";
import {
  type Box,
  classification,
  classificationMetrics,
  detection,
  detectionMetrics,
  type Example,
  type LabelDistribution,
  type RiseCotOptions,
  type Task,
} from "rise-ts";
import type { Metrics } from "rise-ts/metrics";
import type { RehearsalRow } from "rise-ts/types";
import { moodEmoji, moodGroups } from "../pictures/mood-labels";
import { moods, type PartSizes, type Parts } from "../pictures/moods";
import { moodLabels, moodQuestion, placeQuestion } from "../pictures/questions";
import { scenes } from "../pictures/scenes";
import { mean } from "../statistics";
import { trueMoodCot } from "../tiny-vlm/mood-lessons";
import { truePlaceCot } from "../tiny-vlm/place-lessons";
import { rehearsalRows } from "../tiny-vlm/rehearsal";
import { calibratedPrior, wordPrior } from "./prior";
import {
  cotOptions,
  moodInterpolation,
  moodParts,
  moodRates,
  moodSteps,
  placeInterpolation,
  placeParts,
  placeRates,
  placeSteps,
  type Steps,
} from "./settings";

/** Answers without a model, learnt from training pictures or from nothing. */
export type Reference<A> = (train: readonly Example<A>[]) => (example: Example<A>) => A;

/** A task, its data, what is measured, and what one can score without looking. */
export interface DemoTask<A> {
  readonly name: string;
  /** The folder of the model that it begins with. */
  readonly model: string;
  readonly steps: Steps;
  /** How stage 1 learns and samples. */
  readonly cot: Pick<RiseCotOptions<A>, "learningRate" | "sampling">;
  /** The share of SFT's change that is kept. */
  readonly interpolation: { readonly cots: number; readonly bareAnswers: number };
  /** Pictures in each part of the data. */
  readonly parts: Omit<PartSizes, "seed">;
  readonly task: Task<A>;
  data(sizes: PartSizes): Promise<Parts<A>>;
  /** The first is the one that decides. */
  readonly metrics: Metrics<A>;
  readonly better: "lower" | "higher";
  readonly references: Readonly<Record<string, Reference<A>>>;
  /** A thought that names what is shown and says what the base model knows of it. */
  trueCot(example: Example<A>): string;
  /** The noun for what `kindOf` tells. */
  readonly kind: "mood" | "place";
  /** The mood or the place of an example: thoughts about examples that share it may be worth the same. */
  kindOf(example: Example<A>): string;
  /** Whether a thought names what matters in the picture. */
  names(example: Example<A>, think: string): boolean;
  /** Rows of what the base model could do before, for SFT to rehearse: none shows or tells of what these examples show. */
  rehearsal(seed: number, count: number, unseen: readonly Example<A>[]): Promise<readonly RehearsalRow[]>;
}

const tiny = (folder: string) => fileURLToPath(new URL(`../tiny-vlm/${folder}`, import.meta.url));

/** Which mood do people connect with what is shown? Soft labels by people: the stand-in for Emotion6. */
export const moodsDemo: DemoTask<LabelDistribution> = {
  name: "moods",
  model: tiny("checkpoint"),
  steps: moodSteps,
  cot: cotOptions(moodRates),
  interpolation: moodInterpolation,
  parts: moodParts,
  task: classification(moodQuestion),
  data: moods,
  metrics: { jsd: classificationMetrics.jsd, accuracy: classificationMetrics.accuracy },
  better: "lower",
  references: {
    uniform: () => () => Object.fromEntries(moodLabels.map((label) => [label, 1 / 3])),
    "training mean": (train) => {
      const average = moodLabels.map((label) => [label, mean(train.map(({ annotation }) => annotation[label]!))]);
      return () => Object.fromEntries(average);
    },
    "words, no model": () => wordPrior,
    "words, calibrated": calibratedPrior,
  },
  trueCot: (example) => trueMoodCot(moodEmoji.find(({ name }) => name === shownIn(example)[0])!),
  kind: "mood",
  kindOf: (example) =>
    moodLabels[moodGroups.findIndex((alike) => alike.some(({ name }) => name === shownIn(example)[0]))]!,
  names: (example, think) => new RegExp(`\\b${shownIn(example)[0]}\\.`).test(think),
  rehearsal: (seed, count, unseen) => rehearsalRows("moods", { seed, count, unseen: namesIn(unseen) }),
};

/** The place of the one object that the text describes: the stand-in for LISA. */
export const detectionDemo: DemoTask<readonly Box[]> = {
  name: "detection",
  model: tiny("copying"),
  steps: placeSteps,
  cot: cotOptions(placeRates),
  interpolation: placeInterpolation,
  parts: placeParts,
  task: detection(placeQuestion),
  data: scenes,
  metrics: { ap50: detectionMetrics.ap50, meanIou: detectionMetrics.meanIou },
  better: "higher",
  references: {
    "whole picture": () => () => [{ space: "thousand", x: 0, y: 0, width: 1000, height: 1000 }],
    "training mean": (train) => {
      const average = (side: "x" | "y" | "width" | "height") =>
        Math.round(mean(train.map(({ annotation }) => annotation[0]![side])));
      const box: Box = {
        space: "thousand",
        x: average("x"),
        y: average("y"),
        width: average("width"),
        height: average("height"),
      };
      return () => [box];
    },
  },
  trueCot: ({ metadata }) => {
    const places = metadata!.places as readonly string[];
    const shown = (metadata!.shows as readonly string[]).map((name, i) => ({ name, place: places[i]! }));
    return truePlaceCot(shown, shown.find(({ name }) => name === metadata!.target)!);
  },
  kind: "place",
  kindOf: (example) => {
    const places = example.metadata!.places as readonly string[];
    return places[shownIn(example).indexOf(example.metadata!.target as string)]!;
  },
  names: ({ metadata }, think) => new RegExp(`It is the ${metadata!.target as string} `).test(think),
  rehearsal: (seed, count, unseen) => rehearsalRows("places", { seed, count, unseen: namesIn(unseen) }),
};

const namesIn = (examples: readonly Example<unknown>[]) => new Set(examples.flatMap(shownIn));
const shownIn = ({ metadata }: Example<unknown>) => metadata!.shows as readonly string[];
