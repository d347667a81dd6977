import type { ExampleStream, Omission } from "../dataset";
import { choice, flag, readOptions, type Settings, specOf } from "../options/spec";
import type { Box, BoxSpace } from "../types";
import { cocoExamples, finished, misfits, readPicture, refuseCorners } from "./coco-files/examples";
import { type CocoReading, readCocoIndex } from "./coco-files/index-file";
import { ahead, readAhead } from "./reading/ahead";
import { exampleStream, type Located } from "./reading/example-stream";
import { openFolder } from "./reading/folder";
import { checkPath, omissionOption, spaceOption } from "./reading/options";
import { gatherProblems } from "./reading/problems";

/** Options of `cocoDataset`. */
export interface CocoOptions {
  /**
   * The coordinate space of the boxes (`"thousand"`, like the `detection` task's); `"pixel"` means pixels of the
   * displayed image.
   */
  readonly space?: BoxSpace;
  /**
   * The treatment of annotations with `iscrowd` 1 (`"omit"`); `"objects"` takes them for objects, since some tools set
   * it on every mask.
   */
  readonly crowds?: "omit" | "objects";
  /** Cuts boxes at the edges of their image that reach out of it by more than a pixel (false: they are an error). */
  readonly clip?: boolean;
  /** The treatment of annotations without a `bbox` (`"refuse"`); `"polygon"` takes the box around their polygons. */
  readonly missingBoxes?: "refuse" | "polygon";
  /**
   * Receives crowds, turned boxes, boxes without area, images without boxes, and files that are not images. Without it,
   * these are errors.
   */
  readonly onOmission?: (omission: Omission) => void;
}

export const cocoDatasetSpec = specOf<CocoOptions>()(() => ({
  space: spaceOption(),
  crowds: choice(["omit", "objects"]).default("omit").describe("The treatment of annotations with `iscrowd` 1"),
  clip: flag()
    .default(false)
    .describe("Cuts boxes at the edges of their image; without it, one that reaches out is an error"),
  missingBoxes: choice(["refuse", "polygon"])
    .default("refuse")
    .describe("The treatment of annotations without a `bbox`; the box around their polygons may take its place"),
  onOmission: omissionOption(),
}));

/**
 * Reads object instances in COCO's format: one example for each image and category in it, whose annotation is all boxes
 * of that category.
 *
 * The id is `<image id>/<category>`, the subject the category's name; metadata are `category`, and the `width` and
 * `height` in pixels of the displayed image. The file is read once, from beginning to end, before the first example.
 * Each annotation keeps 60 bytes in memory; polygons keep nothing. Each image's header is read with its examples; its
 * size must equal the size in the file, or be a scale of it.
 *
 * @param path the annotations, `instances_*.json`
 * @param imageDir the folder that `file_name`s lie in
 * @throws ConfigError at once for a path that is not text, and an unknown option
 * @throws DataError naming the file, the annotation or image, what was expected and what came; one error lists all
 * problems
 * @example
 * const dataset = await cocoDataset("instances.json", "images", { onOmission: console.warn });
 */
export function cocoDataset(path: string, imageDir: string, options: CocoOptions = {}): ExampleStream<readonly Box[]> {
  checkPath("cocoDataset", "path", path);
  checkPath("cocoDataset", "imageDir", imageDir);
  const settings = readOptions("cocoDataset", options, cocoDatasetSpec);
  return exampleStream(() => readExamples(path, imageDir, settings));
}

async function* readExamples(
  path: string,
  imageDir: string,
  { space, crowds, clip, missingBoxes, onOmission }: Settings<CocoOptions, typeof cocoDatasetSpec>,
): AsyncGenerator<Located<readonly Box[]>> {
  const problems = gatherProblems(path);
  const omit: CocoReading["omit"] = onOmission ? (omission) => onOmission(omission) : problems.omit;
  const index = await readCocoIndex(path, { crowds, missingBoxes, problems, omit });
  const reading = { index, clip, problems, omit };
  const folder = openFolder(imageDir);
  const look = async (id: number) => ({ id, picture: await readPicture(folder, index, id) });
  // Faults of the file come before faults of the images, unless an image explains the fault.
  if (clip) refuseCorners(reading);
  const explained = new Set<number>();
  for await (const { id, picture } of ahead(misfits(reading), readAhead, look)) {
    // An image that cannot be read explains nothing about its boxes.
    if (!("text" in picture) || picture.canOmit) continue;
    problems.add(picture.where, picture.text);
    explained.add(id);
  }
  for (const [id, { size }] of index.images) if (!explained.has(id)) for (const _ of cocoExamples(reading, id, size));
  problems.throwAny();

  const silent = { ...reading, omit: () => {} };
  const ids = [...index.images.keys()].filter((id) => index.boxesOf(id).size > 0);
  for await (const { id, picture } of ahead(ids, readAhead, look)) {
    if ("text" in picture) {
      const { where, text, canOmit } = picture;
      if (canOmit) omit({ where, reason: text });
      else problems.add(where, text);
      continue;
    }
    const { size } = index.images.get(id)!;
    for (const example of cocoExamples(size ? silent : reading, id, size ?? picture.shown))
      if (problems.count === 0) yield { example: finished(example, picture, space), where: example.where };
  }
  problems.throwAny();
}
