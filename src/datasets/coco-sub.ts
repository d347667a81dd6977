import { join } from "node:path";
import type { Omission, Splits } from "../dataset";
import { DataError } from "../errors";
import { readOptions, seed as seedOption, specOf, text } from "../options/spec";
import type { Box, BoxSpace } from "../types";
import { cocoExamples, finished, type Picture, readPicture } from "./coco-files/examples";
import { readCocoIndex } from "./coco-files/index-file";
import { splitPerClass } from "./k-shot";
import { ahead, readAhead } from "./reading/ahead";
import { openFolder, published, requireFiles, requireImages, type Source } from "./reading/folder";
import { checkPath, spaceOption } from "./reading/options";
import { gatherProblems } from "./reading/problems";

/** Options of `cocoSub`. */
export interface CocoSubOptions {
  /** The part of COCO to draw from (`"train2017"`; val2017 has fewer than ten images of some categories). */
  readonly part?: string;
  /** The coordinate space of the boxes (`"thousand"`, like the `detection` task's). */
  readonly space?: BoxSpace;
  /** The seed of the draw (0). */
  readonly seed?: number;
}

export const cocoSubSpec = specOf<CocoSubOptions>()(() => ({
  part: text().default("train2017").describe("The part of COCO to draw from"),
  space: spaceOption(),
  seed: seedOption().default(0).describe("The seed of what is drawn"),
}));

/**
 * COCO-Sub: for each of COCO's 80 categories 25 images to train and 10 to test, drawn at random; the annotation is all
 * boxes of the category.
 *
 * Examples look as `cocoDataset` makes them. An image may serve several categories, but never both train and test. The
 * paper does not say which images it drew, or from which part.
 *
 * @param dir the folder with `annotations/instances_<part>.json` and the images in `<part>/`
 * @throws ConfigError for a path that is not text, and an unknown space
 * @throws DataError for missing files, naming where they are published, and for a file without 80 categories, or with
 * too few images of one
 * @example
 * const { train, test } = await cocoSub("data/coco", { seed: 1 });
 */
export async function cocoSub(dir: string, options: CocoSubOptions = {}): Promise<Splits<readonly Box[]>> {
  const { part, space, seed } = readOptions("cocoSub", options, cocoSubSpec);
  checkPath("cocoSub", "dir", dir);
  const annotations = `annotations/instances_${part}.json`;
  await requireFiles(dir, [annotations], source);
  const omissions: Omission[] = [];
  const omit = (omission: Omission) => void omissions.push(omission);
  const path = join(dir, annotations);
  const problems = gatherProblems(path);
  const index = await readCocoIndex(path, { crowds: "omit", missingBoxes: "refuse", problems, omit });
  if (index.categories.size !== 80)
    throw new DataError(`${path}: expected 80 categories, got ${index.categories.size}. ${published(source)}`);
  const reading = { index, clip: false, problems, omit };
  for (const { id, size } of index.images.values())
    if (!size) problems.add(`${path}: image ${id}`, "expected width and height, as the published file has them");
  const examples = [...index.images].flatMap(([id, { size }]) =>
    [...cocoExamples(reading, id, size)].map((example) => ({ ...example, imageId: id })),
  );
  problems.throwAny();
  const { train, test } = splitPerClass(examples, { train: 25, test: 10 }, seed);

  const folder = openFolder(join(dir, part));
  const drawn = new Map([...train, ...test].map(({ imageId, image, id }) => [imageId, { image, id }]));
  const named = [...drawn.values()].map(({ image, id }) => ({ name: image, where: `${path}: ${id}` }));
  await requireImages(folder, named, source);
  const pictures = new Map<number, Picture>();
  const look = async (id: number) => [id, await readPicture(folder, index, id)] as const;
  for await (const [id, picture] of ahead(drawn.keys(), readAhead, look))
    if ("text" in picture) problems.add(picture.where, picture.text);
    else pictures.set(id, picture);
  problems.throwAny();
  const withPicture = (example: (typeof examples)[number]) => finished(example, pictures.get(example.imageId)!, space);
  return { train: train.map(withPicture), test: test.map(withPicture), omissions };
}

const source: Source = {
  name: "COCO",
  url: "https://cocodataset.org/#download (2017 Train images, 2017 Train/Val annotations)",
};
