import { readImageHeader } from "../../files/image";
import type { ImageSize } from "./pixel-box";

/** An image's size as displayed, upright by its EXIF orientation, and as stored. */
export interface ShownSize extends ImageSize {
  readonly stored: ImageSize;
  /** The EXIF orientation, 1 to 8; 1 if the file has none. */
  readonly orientation: number;
}

/**
 * Reads an image's size from its header alone.
 * @param image a path, or the bytes of an encoded file
 * @throws DataError for anything but an image, naming what it is instead
 */
export async function shownSize(image: string | Uint8Array): Promise<ShownSize> {
  const { autoOrient, width, height, orientation = 1 } = (await readImageHeader(image)).metadata;
  return { width: autoOrient.width, height: autoOrient.height, stored: { width, height }, orientation };
}

/**
 * Compares the image size in an annotation with the image's own: the sizes must be equal, or scales of one another.
 *
 * A reader whose rows have `width` and `height` beside boxes or polygons calls this for each image.
 *
 * @returns `expected X, got Y; do Z`; `undefined` if the sizes agree
 * @example
 * sizeProblem({ width: 64, height: 48 }, await shownSize("turned.jpg"));
 * // "expected the size of the image as it is shown, 48×64 pixels, …"
 */
export function sizeProblem(said: ImageSize, shown: ShownSize): string | undefined {
  const { stored, orientation } = shown;
  const isTurned = orientation >= 5 && shapeError(said, stored) < shapeError(said, shown);
  const isSwapped = said.width !== said.height && said.width === shown.height && said.height === shown.width;
  if (!isTurned && !isSwapped && areScales(said, shown)) return undefined;
  const difference = `expected the size of the image as it is shown, ${sizeText(shown)} pixels, or a scale of it, got ${sizeText(said)}`;
  if (isTurned)
    return `${difference}: the image is stored as ${sizeText(stored)}, and its EXIF orientation ${orientation} turns it; write boxes and size as on the upright image, or save the image without its orientation tag if they were measured on the stored one`;
  if (isSwapped || areScales({ width: said.height, height: said.width }, shown))
    return `${difference}; width and height look swapped: write them, and the boxes, as on the image that is shown`;
  return `${difference}; write the annotations of this very image, which may have been cropped or replaced`;
}

const sizeText = ({ width, height }: ImageSize) => `${width}×${height}`;

/** The distance of two aspect ratios: |log| of their quotient. */
const shapeError = (a: ImageSize, b: ImageSize) => Math.abs(Math.log((a.width * b.height) / (a.height * b.width)));

/** Whether one size is the other, scaled by a factor, with sides rounded up or down to whole pixels. */
const areScales = (a: ImageSize, b: ImageSize) => isScaleOf(a, b) || isScaleOf(b, a);

function isScaleOf(original: ImageSize, scaled: ImageSize): boolean {
  const least = Math.max((scaled.width - 1) / original.width, (scaled.height - 1) / original.height);
  const most = Math.min((scaled.width + 1) / original.width, (scaled.height + 1) / original.height);
  return least <= most;
}
