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

/** What of a box lies in the image, in the space that is asked for; `undefined` where that has no area. */
export function boxInImage(sides: Sides, image: ImageSize, space: BoxSpace): Box | undefined {
  const [x, y] = [Math.max(0, sides.left), Math.max(0, sides.top)];
  const [right, bottom] = [Math.min(image.width, sides.right), Math.min(image.height, sides.bottom)];
  const [width, height] = [right - x, bottom - y];
  return width > 0 && height > 0 ? convertBox({ space: "pixel", x, y, width, height }, space, image) : undefined;
}
