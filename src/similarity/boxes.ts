import { ConfigError } from "../errors";
import { checkArguments, fieldsKind, listKind, numberKind, objectKind, textKind } from "../options/arguments";
import { once } from "../options/once";
import { choice, readArgument, readOptions } from "../options/spec";
import type { Box, BoxSpace } from "../types";
import { type Match, matchByIou, matchedSimilarity, type SimilarityOptions, similaritySpec } from "./matching";

/**
 * Similarity of two lists of boxes, the mean IoU after optimal matching:
 *
 * S(A, Â) = (1 / N) Σ_j IoU(A_j, Â_{k_j})
 *
 * Unmatched ground truth counts 0. With N = N_g, as printed, superfluous boxes cost nothing; with `"max"` they do.
 * When either side is empty: 1 if both are, else 0.
 *
 * @param options.denominator N (`"truth"`)
 * @returns S in [0, 1]
 * @throws ConfigError when boxes of different spaces meet, and for an unknown denominator
 * Source: RISE, Eq. 6.
 * @example
 * detectionSimilarity([box], [box, box], { denominator: "max" }); // 0.5
 */
export function detectionSimilarity(
  truth: readonly Box[],
  prediction: readonly Box[],
  options: SimilarityOptions = {},
): number {
  checkArguments("detectionSimilarity", { truth, prediction }, { truth: boxesKind, prediction: boxesKind });
  const { denominator } = readOptions("detectionSimilarity", options, similaritySpec);
  return matchedSimilarity(truth, prediction, iouOfBoxes, denominator);
}

/**
 * Finds the one-to-one matching with the largest total IoU; pairs that do not overlap are left out.
 *
 * @returns matches in the order of `truth`
 * @throws ConfigError when boxes of different spaces meet
 * @example
 * for (const { truth: i, prediction: j, iou } of matchBoxes([box], [box, box])) console.log(i, j, iou);
 */
export function matchBoxes(truth: readonly Box[], prediction: readonly Box[]): Match[] {
  checkArguments("matchBoxes", { truth, prediction }, { truth: boxesKind, prediction: boxesKind });
  return matchByIou(truth, prediction, iouOfBoxes);
}

/**
 * Intersection over union, |a ∩ b| / |a ∪ b|; 0 for a box without area or with a coordinate that is not finite.
 * @throws ConfigError when the boxes are in different spaces
 * @example
 * const a: Box = { space: "unit", x: 0, y: 0, width: 0.5, height: 1 };
 * boxIou(a, { ...a, width: 1 }); // 0.5
 */
export function boxIou(a: Box, b: Box): number {
  checkArguments("boxIou", { a, b }, { a: boxKind, b: boxKind });
  return iouOfBoxes(a, b);
}

/** `boxIou` without checks of the arguments, for inner loops. */
export function iouOfBoxes(a: Box, b: Box): number {
  if (a.space !== b.space)
    throw new ConfigError(`boxes: expected one space, got "${a.space}" and "${b.space}"; use convertBox`);
  // All lengths come from the same corners, so that a box has an IoU of exactly 1 with itself.
  const [aRight, aBottom, bRight, bBottom] = [a.x + a.width, a.y + a.height, b.x + b.width, b.y + b.height];
  const width = Math.min(aRight, bRight) - Math.max(a.x, b.x);
  const height = Math.min(aBottom, bBottom) - Math.max(a.y, b.y);
  if (!(width > 0 && height > 0)) return 0;
  const intersection = width * height;
  const union = (aRight - a.x) * (aBottom - a.y) + (bRight - b.x) * (bBottom - b.y) - intersection;
  // The areas may overflow, or vanish.
  return union > 0 ? intersection / union : 0;
}

/**
 * Converts a box to another space. No other function converts coordinates.
 *
 * Models write `thousand`, so its corners are rounded to integers and kept inside the image, at least 1 wide and high.
 * A box that is already in `space` is returned unchanged.
 *
 * @param imageSize the image's size in pixels, in which `pixel` boxes are measured
 * @throws ConfigError for an image without size, and for an unknown space
 * @example
 * convertBox({ space: "pixel", x: 0, y: 0, width: 32, height: 24 }, "thousand", { width: 640, height: 480 });
 */
export function convertBox(
  box: Box,
  space: BoxSpace,
  imageSize: { readonly width: number; readonly height: number },
): Box {
  checkArguments("convertBox", { box, imageSize }, { box: boxKind, imageSize: objectKind });
  readArgument("convertBox", "space", space, spaceSchema());
  readArgument("convertBox", "the box's space", box.space, spaceSchema());
  if (box.space === space) return box;
  if (!(imageSize.width > 0 && imageSize.height > 0))
    throw new ConfigError(`convertBox: expected an image size in pixels, got ${imageSize.width}×${imageSize.height}`);
  const horizontal = scale(space, imageSize.width) / scale(box.space, imageSize.width);
  const vertical = scale(space, imageSize.height) / scale(box.space, imageSize.height);
  const [x, width] = span(box.x * horizontal, box.width * horizontal, space);
  const [y, height] = span(box.y * vertical, box.height * vertical, space);
  return { space, x, y, width, height };
}

const boxKind = fieldsKind({
  space: textKind,
  x: numberKind,
  y: numberKind,
  width: numberKind,
  height: numberKind,
});
export const boxesKind = listKind(boxKind);

/** The option for the space of coordinates. */
export const boxSpace = () => choice(["unit", "thousand", "pixel"] satisfies [BoxSpace, ...BoxSpace[]]);

const spaceSchema = once(boxSpace);

/** The length of an image side in a space. */
function scale(space: BoxSpace, pixels: number): number {
  return { unit: 1, thousand: 1000, pixel: pixels }[space];
}

function span(low: number, length: number, space: BoxSpace): [start: number, length: number] {
  if (space !== "thousand") return [low, length];
  const start = Math.min(999, Math.max(0, Math.round(low)));
  return [start, Math.min(1000, Math.max(start + 1, Math.round(low + length))) - start];
}
