import type { Box, DrawnShape, Polygon } from "../../types";
import type { Presenter } from "../elements/drawing";

/** Shows the annotations of a run whose task is not at hand, by their form: boxes, outlines, or shares of labels. */
export const recordedTask = (name: string): Presenter<unknown> => ({
  name,
  format: (annotation) => JSON.stringify(annotation),
  draw: (annotation) => (Array.isArray(annotation) ? annotation.flatMap(regionOf) : barsOf(annotation)),
});

function regionOf(part: unknown): readonly DrawnShape[] {
  if (typeof part !== "object" || part === null || !("space" in part)) return [];
  if ("points" in part) return [{ type: "polygon", ...(part as Polygon) }];
  return "width" in part ? [{ type: "box", ...(part as Box) }] : [];
}

function barsOf(annotation: unknown): readonly DrawnShape[] {
  if (typeof annotation !== "object" || annotation === null) return [];
  const shares = Object.entries(annotation);
  const areShares = shares.every(([, share]) => typeof share === "number" && share >= 0);
  return areShares ? shares.map(([label, share]) => ({ type: "bar", label, share })) : [];
}
