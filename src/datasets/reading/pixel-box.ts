import { convertBox } from "../../similarity/boxes";
import type { Box, BoxSpace } from "../../types";

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** The sides of a box, in pixels. */
export interface Sides {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The part of a box in the image; `undefined` if it has no area. */
export function cutToImage(sides: Sides, image: ImageSize): Sides | undefined {
  const [left, top] = [Math.max(0, sides.left), Math.max(0, sides.top)];
  const [right, bottom] = [Math.min(image.width, sides.right), Math.min(image.height, sides.bottom)];
  return right > left && bottom > top ? { left, top, right, bottom } : undefined;
}

/** The part of a box in the image, in the wanted space; `undefined` if it has no area. */
export function boxInImage(sides: Sides, image: ImageSize, space: BoxSpace): Box | undefined {
  const inside = cutToImage(sides, image);
  if (!inside) return undefined;
  const { left: x, top: y, right, bottom } = inside;
  return convertBox({ space: "pixel", x, y, width: right - x, height: bottom - y }, space, image);
}

/**
 * Whether boxes look like fractions of the image where pixels are expected: all lie in the first pixel of an image that
 * has more.
 * @param image the size; if it is not known, it counts as more than a pixel
 */
export function lookLikeFractions(boxes: readonly Sides[], image?: ImageSize): boolean {
  const isOnePixel = image !== undefined && image.width <= 1 && image.height <= 1;
  const solid = boxes.filter(({ left, top, right, bottom }) => right > left && bottom > top);
  return !isOnePixel && solid.length > 0 && solid.every(isInFirstPixel);
}

/** Whether a box lies within 0 … 1, as fractions do; a sum of two may exceed 1 by rounding. */
export const isInFirstPixel = ({ left, top, right, bottom }: Sides) =>
  left >= 0 && top >= 0 && right <= 1.001 && bottom <= 1.001;
