import { join } from "node:path";
import { DataError } from "../errors";
import { checkSpace } from "../similarity/boxes";
import type { Box, BoxSpace } from "../types";
import { type CocoExample, cocoExamples } from "./coco";
import type { Omission, Splits } from "./dataset";
import { splitPerClass } from "./k-shot";
import { checkPath } from "./reading/arguments";
import { readCocoIndex } from "./reading/coco-index";
import { openFolder, published, requireFiles, requireImages, type Source } from "./reading/folder";

export interface CocoSubOptions {
  /** Which of COCO's parts to draw from (`"train2017"`; of some categories val2017 has fewer than ten images). */
  readonly part?: string;
  /** What the boxes are measured in (`"thousand"`, as the `detection` task's). */
  readonly space?: BoxSpace;
  /** Of what is drawn (0). */
  readonly seed?: number;
}

/**
 * COCO-Sub: for each of COCO's 80 categories 25 images to train and 10 to test, drawn at random; the annotation is all boxes of the category.
 *
 * Examples are as `cocoDataset` makes them. An image may serve several categories, but never both train and test. Which images the paper drew,
 * and from which part, it does not say.
 *
 * @param dir the folder with `annotations/instances_<part>.json` and the images in `<part>/`
 * @throws ConfigError for a path that is no text, and a space that there is not
 * @throws DataError for what is missing, naming where it is published, and for a file that has not 80 categories or too few images of one
 */
export async function cocoSub(dir: string, options: CocoSubOptions = {}): Promise<Splits<readonly Box[]>> {
  const { part = "train2017", space = "thousand", seed = 0 } = options;
  checkPath("cocoSub()'s dir", dir);
  checkSpace("cocoSub()'s space", space);
  const annotations = `annotations/instances_${part}.json`;
  await requireFiles(dir, [annotations], source);
  const omissions: Omission[] = [];
  const omit = (omission: Omission) => void omissions.push(omission);
  const index = await readCocoIndex(join(dir, annotations), omit);
  if (index.categories.size !== 80)
    throw new DataError(`${index.path}: expected 80 categories, found ${index.categories.size}. ${published(source)}`);
  const examples = [...cocoExamples(index, space, omit)].map(({ example }) => example);
  const { train, test } = splitPerClass(examples, { train: 25, test: 10 }, seed);

  const images = openFolder(join(dir, part));
  const named = new Map(
    [...train, ...test].map(({ image, id }) => [image, { name: image, where: `${index.path}: ${id}` }]),
  );
  await requireImages(images, [...named.values()], source);
  const withPath = (example: CocoExample) => ({ ...example, image: join(images.path, example.image) });
  return { train: train.map(withPath), test: test.map(withPath), omissions };
}

const source: Source = {
  name: "COCO",
  url: "https://cocodataset.org/#download (2017 Train images, 2017 Train/Val annotations)",
};
