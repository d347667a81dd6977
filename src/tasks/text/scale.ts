import type { BoxSpace } from "../../types";

/** The length of an image's side in a space; in pixels it is unknown to the task. */
export const sideOf: Readonly<Record<BoxSpace, number>> = { unit: 1, thousand: 1000, pixel: Number.POSITIVE_INFINITY };

/** Rounding may carry a box this far over the edge. */
export const slackOf: Readonly<Record<BoxSpace, number>> = { unit: 1e-6, thousand: 1e-3, pixel: 1 };

const oddScale = {
  fractions: "coordinates look like fractions",
  large: "coordinates look like pixels or thousandths",
  outside: "coordinates outside the image",
} as const;

/** All results that `scaleRepair` may give. */
export const oddScales: ReadonlySet<string> = new Set(Object.values(oddScale));

/**
 * Names what is odd about coordinates, given the task's space. The coordinates stay as they are written, since nobody
 * knows what was meant.
 *
 * @param coordinates of all corners
 */
export function scaleRepair(coordinates: readonly number[], space: BoxSpace): string | undefined {
  const low = coordinates.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = coordinates.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const areFractions = low >= 0 && high <= 1 && !coordinates.every(Number.isInteger);
  if (space !== "unit" && areFractions) return oddScale.fractions;
  if (space === "unit" && high > 2) return oddScale.large;
  const isOutside = low < -slackOf[space] || high > sideOf[space] + slackOf[space];
  return isOutside ? oddScale.outside : undefined;
}

/**
 * Whether an answer only says that nothing was found: "None", "No objects.", "no boxes found".
 */
export const saysNothing = (answer: string): boolean =>
  answer.length < 80 &&
  /^\s*["'`*]*(?:none|nothing|null|n\/a|not found|no (?:bounding )?(?:objects?|box(?:es)?|targets?|detections?|polygons?|outlines?|regions?|instances?|matches)(?: (?:found|detected|visible|present))?)[.!"'`*]*\s*$/i.test(
    answer,
  );
