import { join } from "node:path";
import {
  type Box,
  classification,
  classificationMetrics,
  detection,
  detectionMetrics,
  type Example,
  type LabelDistribution,
} from "rise-ts";
import { cocoSub } from "rise-ts/datasets/coco-sub";
import type { Splits } from "rise-ts/datasets/dataset";
import { emotion6, emotion6Labels } from "rise-ts/datasets/emotion6";
import { imagenetSub, imagenetSubClasses } from "rise-ts/datasets/imagenet-sub";
import { categoryOf, kShot } from "rise-ts/datasets/k-shot";
import { lisa } from "rise-ts/datasets/lisa";
import { paperPrompts } from "rise-ts/prompts";
import type { ClassificationOptions, DetectionOptions } from "rise-ts/types";
import type { AnyDataSet, DataSet, Role, Source } from "./data";

/** The paper's own four data sets, in folders of their own: `Emotion6`, `ReasonSeg`, `ImageNet` (the class folders), `COCO`. docs/datasets.md says what is in them. */
export function publishedSets(directory: string): Source {
  const folder = (name: string) => join(directory, name);
  return {
    sets: {
      emotion6: labelled({ name: "Emotion6", labels: emotion6Labels, ...paperPrompts.emotion6 }, (seed) =>
        emotion6(folder("Emotion6"), { seed }),
      ),
      lisa: boxes({ name: "LISA", ...paperPrompts.lisa }, () => lisa(folder("ReasonSeg"))),
      "imagenet-sub": labelled(
        { name: "ImageNet-Sub", labels: Object.values(imagenetSubClasses), ...paperPrompts.imagenetSub },
        (seed) => imagenetSub(folder("ImageNet"), { seed }),
      ),
      "coco-sub": boxes({ name: "COCO-Sub", ...paperPrompts.cocoSub }, (seed) => cocoSub(folder("COCO"), { seed })),
    } satisfies Record<Role, AnyDataSet>,
    about: "The paper's data sets; it does not say which examples it drew, so splits are drawn anew for each seed.",
  };
}

function labelled(
  options: ClassificationOptions & { readonly name: string },
  load: (seed: number) => Promise<Splits<LabelDistribution>>,
): AnyDataSet {
  const data: DataSet<LabelDistribution> = {
    ...{ name: options.name, load, fewShot: perClass },
    task: classification(options),
    metrics: { jsd: classificationMetrics.jsd, accuracy: classificationMetrics.accuracy },
  };
  return (use) => use(data);
}

function boxes(
  options: DetectionOptions & { readonly name: string },
  load: (seed: number) => Promise<Splits<readonly Box[]>>,
): AnyDataSet {
  const data: DataSet<readonly Box[]> = {
    ...{ name: options.name, load },
    task: detection(options),
    // A question of LISA is a class of its own.
    fewShot: (train, n, seed) => (options.single ? kShot(train, n, { seed }) : perClass(train, n, seed)),
    metrics: { ap50: detectionMetrics.ap50, meanIou: detectionMetrics.meanIou },
  };
  return (use) => use(data);
}

const perClass = <A>(train: readonly Example<A>[], n: number, seed: number) =>
  kShot(train, n, { by: categoryOf, seed });
