import type { Example, LabelDistribution, Task } from "rise-ts";
import type { Metrics } from "rise-ts/metrics";
import type { RehearsalRow } from "rise-ts/types";
import { type DemoTask, detectionDemo, moodsDemo } from "../demo/tasks";
import { publishedSets } from "./published";
import type { Settings, TaskName } from "./settings";

/** A data set's place in the paper's tables. */
export type Role = keyof typeof taskOf;
export const taskOf = {
  emotion6: "classification",
  lisa: "detection",
  "imagenet-sub": "classification",
  "coco-sub": "detection",
} as const satisfies Readonly<Record<string, TaskName>>;

export interface DataSet<A> {
  readonly name: string;
  readonly task: Task<A>;
  load(seed: number): Promise<{ readonly train: readonly Example<A>[]; readonly test: readonly Example<A>[] }>;
  /** n examples of each class; for LISA, n in all. */
  fewShot(train: readonly Example<A>[], n: number, seed: number): readonly Example<A>[];
  readonly metrics: Metrics<A>;
  /** Rows of what the model could do before, for SFT to rehearse. */
  rehearsal?(seed: number, count: number, unseen: readonly []): Promise<readonly RehearsalRow[]>;
  /** The folder of the tiny model that it begins with. */
  readonly model?: string;
}

/** Tells no task from another: hands the set to code that works for any. */
export type AnyDataSet = <R>(use: <A>(data: DataSet<A>) => R) => R;

export interface Source {
  readonly sets: Readonly<Record<Role, AnyDataSet>>;
  /** The stand-ins, for the head of the tables. */
  readonly about: string;
}

/** The four data sets of the tables: the paper's own, in a directory, or the demo's pictures in their place. */
export function openData(directory: string | undefined, settings: Readonly<Record<TaskName, Settings>>): Source {
  if (directory !== undefined) return publishedSets(directory);
  const { classification, detection } = settings;
  const moods = played("moods", moodsDemo, classification.pictures, (train, n) =>
    firstOfEach(train, n, ({ annotation }) => likeliest(annotation)),
  );
  const scenes = played("scenes", detectionDemo, detection.pictures, (train, n) => train.slice(0, n));
  const emotions: AnyDataSet = (use) => use(moods);
  const boxes: AnyDataSet = (use) => use(scenes);
  return {
    sets: { emotion6: emotions, lisa: boxes, "imagenet-sub": emotions, "coco-sub": boxes },
    about:
      "Emotion6 is played by pictures of emoji with the moods people ascribe to them (JSD), and ImageNet-Sub by the likeliest mood on the " +
      "same pictures (accuracy); LISA and COCO-Sub are both played by composed scenes in which one described object is looked for (mAP@0.5), " +
      "so those two columns are the same runs. The paper's figures are of other pictures and of a model a thousand times larger: compare orders, not numbers.",
  };
}

/** A data set that is played by a demo's pictures. */
const played = <A>(
  name: string,
  demo: DemoTask<A>,
  pictures: Settings["pictures"],
  fewShot: DataSet<A>["fewShot"],
): DataSet<A> => ({
  ...{ name, fewShot, task: demo.task, metrics: demo.metrics, rehearsal: demo.rehearsal, model: demo.model },
  load: (seed) => demo.data({ seed, ...pictures, unseen: 0 }),
});

/** The first n of each class, in their order, which in the demo's sets is a random one. */
export function firstOfEach<A>(examples: readonly Example<A>[], n: number, classOf: (example: Example<A>) => string) {
  const counts = new Map<string, number>();
  return examples.filter((example) => {
    const name = classOf(example);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count <= n;
  });
}

export const likeliest = (annotation: LabelDistribution) =>
  Object.entries(annotation).reduce((a, b) => (b[1] > a[1] ? b : a))[0];
