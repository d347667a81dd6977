import { DataError } from "../../errors";
import type { Box, BoxSpace, Example } from "../../types";
import type { Folder } from "../reading/folder";
import { type ShownSize, shownSize, sizeProblem } from "../reading/image-size";
import { boxInImage, cutToImage, type ImageSize, isInFirstPixel, type Sides } from "../reading/pixel-box";
import { gatherProblems } from "../reading/problems";
import type { CocoBox, CocoIndex } from "./coco-index";
import type { CocoReading } from "./index-file";

/** An example whose image has not been read yet. */
export interface CocoExample {
  readonly id: string;
  /** The image's name in the file. */
  readonly image: string;
  readonly metadata: { readonly category: string };
  readonly boxes: readonly Sides[];
  /** The image size in whose pixels the boxes are. */
  readonly size: ImageSize;
  readonly where: string;
}

export interface CocoBoxReading extends Pick<CocoReading, "problems" | "omit"> {
  readonly index: CocoIndex;
  readonly clip: boolean;
}

/**
 * Yields the examples of one image, one for each category in it.
 * @param size the image size that its boxes refer to; without it (only the image itself tells), there are no examples
 */
export function* cocoExamples(reading: CocoBoxReading, imageId: number, size?: ImageSize): Generator<CocoExample> {
  const { index, omit } = reading;
  const image = index.images.get(imageId)!;
  const ofImage = index.boxesOf(imageId);
  if (size === undefined && ofImage.size > 0) return;
  const where = `${index.path}: image ${image.id}`;
  const refused = reading.problems.count;
  let isEmpty = true;
  for (const [categoryId, ofCategory] of ofImage) {
    const boxes = ofCategory.flatMap((box) => placed(box, size!, reading) ?? []);
    if (boxes.length === 0) continue;
    isEmpty = false;
    const category = index.categories.get(categoryId)!;
    yield { id: `${image.id}/${category}`, image: image.file, metadata: { category }, boxes, size: size!, where };
  }
  if (isEmpty && reading.problems.count === refused) omit({ where, reason: "an image without boxes" });
}

/** Rounding carries boxes over the edge by this many pixels. Boxes further out mean something else, such as corners. */
const edgeTolerance = 1;

/** The part of a box in its image; `undefined` if it has no area there, or is refused. */
function placed(box: CocoBox, image: ImageSize, { index, clip, problems, omit }: CocoBoxReading): Sides | undefined {
  const [x, y, width, height] = box;
  const where = index.whereOf(box);
  const sides = { left: x, top: y, right: x + width, bottom: y + height };
  const over = Math.max(-x, -y, sides.right - image.width, sides.bottom - image.height);
  const isNegative = width < 0 || height < 0;
  if (isNegative || (over > edgeTolerance && !clip)) {
    const inside = `inside ${image.width}×${image.height} pixels`;
    const asCorners = fitsAsCorners(box, image) ? ", which would fit as two corners [x1, y1, x2, y2]" : "";
    problems.add(
      where,
      `expected bbox [x, y, width, height] ${inside}, got [${x}, ${y}, ${width}, ${height}]${asCorners}`,
      isNegative ? undefined : "pass clip: true to cut boxes at the edges of their image",
    );
    return undefined;
  }
  const inside = cutToImage(sides, image);
  if (!inside) omit({ where, reason: width > 0 && height > 0 ? "a box outside its image" : "a box without area" });
  else if (isInFirstPixel(sides) && !box.slice(0, 4).every(Number.isInteger)) {
    omit({ where, reason: "a box smaller than a pixel at the corner, as fractions of the image are" });
    return undefined;
  }
  return inside;
}

function fitsAsCorners([x1, y1, x2, y2]: CocoBox, { width, height }: ImageSize): boolean {
  const [right, bottom] = [width + edgeTolerance, height + edgeTolerance];
  return x1 >= 0 && y1 >= 0 && x2 > x1 && y2 > y1 && x2 <= right && y2 <= bottom;
}

/**
 * Refuses a file whose boxes are corners, which `clip` would silently distort: all fit their image as corners, and most
 * reach out of it as sizes.
 */
export function refuseCorners({ index, problems }: CocoBoxReading): void {
  let [count, out] = [0, 0];
  for (const [id, { size }] of index.images) {
    if (!size) continue;
    for (const box of [...index.boxesOf(id).values()].flat()) {
      if (!fitsAsCorners(box, size)) return;
      count++;
      if (box[0] + box[2] > size.width + edgeTolerance || box[1] + box[3] > size.height + edgeTolerance) out++;
    }
  }
  if (count < fewest || out <= count / 2) return;
  problems.add(
    index.path,
    `expected boxes [x, y, width, height], got ${count} that all fit as two corners [x1, y1, x2, y2], and ${out} of them reach out of their image otherwise`,
    "write width and height instead of the second corner",
  );
}

/** The least number of boxes that tells corners from sizes. */
const fewest = 3;

/**
 * Finds the images whose boxes do not fit the size in the file. The images themselves show whether that size is wrong.
 * @returns at most `mostMisfits` ids, which is enough for one message
 */
export function misfits(reading: CocoBoxReading): readonly number[] {
  const found: number[] = [];
  for (const [id, { size }] of reading.index.images) {
    const problems = gatherProblems(reading.index.path);
    // With `clip`, boxes outside the image are left out; the size may be wrong there, too.
    const hasBoxes = reading.index.boxesOf(id).size > 0;
    if (size && hasBoxes) for (const _ of cocoExamples({ ...reading, problems, omit: problems.omit }, id, size));
    if (problems.count > 0) found.push(id);
    if (found.length === mostMisfits) break;
  }
  return found;
}

const mostMisfits = 100;

/** The path of an image, and its displayed size. */
export interface Picture {
  readonly path: string;
  readonly shown: ShownSize;
}

/** The reason why an image cannot be used. */
export interface Refusal {
  readonly where: string;
  readonly text: string;
  /** Whether the run may leave the example out because of it. */
  readonly canOmit: boolean;
}

/**
 * Finds an image, and compares its size with the size in the file. Problems are returned, so that one error can list
 * all of them.
 */
export async function readPicture(folder: Folder, index: CocoIndex, imageId: number): Promise<Picture | Refusal> {
  const image = index.images.get(imageId)!;
  const where = `${index.path}: image ${image.id}`;
  const refusal = (error: unknown, canOmit: boolean): Refusal => {
    if (!(error instanceof DataError)) throw error;
    const { message } = error;
    return { where, text: message.startsWith(`${where}: `) ? message.slice(where.length + 2) : message, canOmit };
  };
  try {
    const path = await folder.image(image.file, where);
    const shown = await shownSize(path).catch((cause: unknown) => refusal(cause, true));
    if ("text" in shown) return shown;
    const problem = image.size && sizeProblem(image.size, shown);
    return problem === undefined ? { path, shown } : { where, text: `${image.file}: ${problem}`, canOmit: false };
  } catch (cause) {
    return refusal(cause, false);
  }
}

/** The finished example. Pixels refer to the image as stored, even if the file's size is a scale of it. */
export function finished(
  { id, boxes, size, metadata: { category } }: CocoExample,
  { path, shown: { width, height } }: Picture,
  space: BoxSpace,
): Example<readonly Box[]> {
  const shown = { width, height };
  const [across, down] = space === "pixel" ? [width / size.width, height / size.height] : [1, 1];
  const annotation = boxes.flatMap(({ left, top, right, bottom }) => {
    const sides = { left: left * across, top: top * down, right: right * across, bottom: bottom * down };
    return boxInImage(sides, space === "pixel" ? shown : size, space) ?? [];
  });
  return { id, image: path, annotation, subject: category, metadata: { category, ...shown } };
}
