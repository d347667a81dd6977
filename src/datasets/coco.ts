import { DataError } from "../errors";
import { checkSpace } from "../similarity/boxes";
import type { Box, BoxSpace, Example } from "../types";
import type { ExampleStream, Omission } from "./dataset";
import { checkPath } from "./reading/arguments";
import { type CocoBox, type CocoImage, type CocoIndex, readCocoIndex } from "./reading/coco-index";
import { exampleStream, type Located, refuseOmission } from "./reading/example-stream";
import { openFolder } from "./reading/folder";
import { boxInImage } from "./reading/pixel-box";

export interface CocoOptions {
  /** What the boxes are measured in (`"thousand"`, as the `detection` task's). */
  readonly space?: BoxSpace;
  /** Told of crowds, boxes without area, and images without boxes; without it, these are errors. */
  readonly onOmission?: (omission: Omission) => void;
}

/**
 * Reads object instances in COCO's format: one example for each image and category in it, whose annotation is all boxes of that category.
 *
 * The id is `<image id>/<category>`, the subject the category's name; metadata are `category`, and the image's `width` and `height` in pixels.
 * The file is read once, from beginning to end, before the first example; of an annotation 60 bytes stay in memory, of its polygons none.
 *
 * @param path the annotations, `instances_*.json`
 * @param imageDir the folder that `file_name`s lie in
 * @throws ConfigError at once for a path that is no text, and a space that there is not
 * @throws DataError naming the file, the annotation or image, what was expected and what was found
 */
export function cocoDataset(path: string, imageDir: string, options: CocoOptions = {}): ExampleStream<readonly Box[]> {
  const { space = "thousand", onOmission = refuseOmission } = options;
  checkPath("cocoDataset()'s path", path);
  checkPath("cocoDataset()'s imageDir", imageDir);
  checkSpace("cocoDataset()'s space", space);
  return exampleStream(() => readExamples(path, imageDir, { space, onOmission }));
}

async function* readExamples(
  path: string,
  imageDir: string,
  { space, onOmission }: Required<CocoOptions>,
): AsyncGenerator<Located<readonly Box[]>> {
  const index = await readCocoIndex(path, onOmission);
  const folder = openFolder(imageDir);
  for (const { example, where } of cocoExamples(index, space, onOmission))
    yield { example: { ...example, image: await folder.image(example.image, where) }, where };
}

/** An example whose picture is still the name in the file. */
export type CocoExample = Example<readonly Box[]> & { readonly image: string };

/** The examples of a COCO file, image by image. */
export function* cocoExamples(
  { path, images, categories, boxesOf }: CocoIndex,
  space: BoxSpace,
  omit: (omission: Omission) => void,
): Generator<{ readonly example: CocoExample; readonly where: string }> {
  for (const [imageId, image] of images) {
    const where = `${path}: image ${imageId}`;
    const { file, width, height } = image;
    let isEmpty = true;
    for (const [categoryId, ofCategory] of boxesOf(imageId)) {
      const annotation = ofCategory.flatMap((box) => {
        const inside = insideImage(box, image, space, path);
        if (!inside) omit({ where: `${path}: annotation ${box[4]}`, reason: "a box without area" });
        return inside ?? [];
      });
      if (annotation.length === 0) continue;
      isEmpty = false;
      const category = categories.get(categoryId)!;
      const metadata = { category, width, height };
      yield { example: { id: `${imageId}/${category}`, image: file, annotation, subject: category, metadata }, where };
    }
    if (isEmpty) omit({ where, reason: "an image without boxes" });
  }
}

/** Rounding carries boxes this many pixels over the edge; more is a box of something else, corners perhaps. */
const edgeTolerance = 1;

function insideImage(
  [x, y, width, height, id]: CocoBox,
  image: CocoImage,
  space: BoxSpace,
  path: string,
): Box | undefined {
  const sides = { left: x, top: y, right: x + width, bottom: y + height };
  const over = Math.max(-x, -y, sides.right - image.width, sides.bottom - image.height);
  if (over > edgeTolerance || width < 0 || height < 0)
    throw new DataError(
      `${path}: annotation ${id}: expected bbox [x, y, width, height] inside ${image.width}×${image.height} pixels, found [${x}, ${y}, ${width}, ${height}]`,
    );
  return boxInImage(sides, image, space);
}
