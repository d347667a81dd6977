import { join } from "node:path";
import {
  type Box,
  classification,
  classificationMetrics,
  detection,
  detectionMetrics,
  type Example,
  jensenShannonDivergence,
  type LabelDistribution,
} from "rise-ts";
import { cocoSub } from "rise-ts/datasets/coco-sub";
import type { Splits } from "rise-ts/datasets/dataset";
import { emotion6, emotion6Labels } from "rise-ts/datasets/emotion6";
import { imagenetSub, imagenetSubClasses } from "rise-ts/datasets/imagenet-sub";
import { categoryOf, kShot } from "rise-ts/datasets/k-shot";
import { lisa } from "rise-ts/datasets/lisa";
import type { AnyDataSet, DataSet, Role, Source } from "./data";

/** The paper's own four data sets, in folders of their own: `Emotion6`, `ReasonSeg`, `ImageNet` (the class folders), `COCO`. docs/datasets.md says what is in them. */
export function publishedSets(directory: string): Source {
  const folder = (name: string) => join(directory, name);
  return {
    sets: {
      emotion6: labelled("Emotion6", emotion6Labels, (seed) => emotion6(folder("Emotion6"), { seed })),
      lisa: boxes("LISA", true, () => lisa(folder("ReasonSeg"))),
      "imagenet-sub": labelled("ImageNet-Sub", Object.values(imagenetSubClasses), (seed) =>
        imagenetSub(folder("ImageNet"), { seed }),
      ),
      "coco-sub": boxes("COCO-Sub", false, (seed) => cocoSub(folder("COCO"), { seed })),
    } satisfies Record<Role, AnyDataSet>,
    about: "The paper's data sets; it does not say which examples it drew, so splits are drawn anew for each seed.",
  };
}

function labelled(
  name: string,
  labels: readonly string[],
  load: (seed: number) => Promise<Splits<LabelDistribution>>,
): AnyDataSet {
  const data: DataSet<LabelDistribution> = {
    ...{ name, load, fewShot: perClass },
    task: classification({ labels: [...labels], name }),
    metrics: { jsd: classificationMetrics.jsd, accuracy: classificationMetrics.accuracy },
    divergence: jensenShannonDivergence,
  };
  return (use) => use(data);
}

function boxes(name: string, single: boolean, load: (seed: number) => Promise<Splits<readonly Box[]>>): AnyDataSet {
  const data: DataSet<readonly Box[]> = {
    ...{ name, load },
    task: detection({ single, name }),
    // A question of LISA is a class of its own.
    fewShot: (train, n, seed) => (single ? kShot(train, n, { seed }) : perClass(train, n, seed)),
    metrics: { ap50: detectionMetrics.ap50, meanIou: detectionMetrics.meanIou },
  };
  return (use) => use(data);
}

const perClass = <A>(train: readonly Example<A>[], n: number, seed: number) =>
  kShot(train, n, { by: categoryOf, seed });
