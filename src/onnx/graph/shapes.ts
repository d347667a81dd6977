import { ShapeError } from "../../errors";
import type { Dim, Shape } from "./value";

/**
 * The static number of elements.
 * @throws ShapeError that names a size that is known only at run time, or is not a whole number
 */
export function elementCount(shape: Shape, where: string): number {
  return shape.reduce<number>((product, dim) => product * staticDim(dim, where), 1);
}

export function staticDim(dim: Dim | undefined, where: string): number {
  if (typeof dim === "number" && Number.isInteger(dim) && dim >= 0) return dim;
  if (typeof dim === "number") throw new ShapeError(`${where}: expected sizes of 0 or more, got ${dim}`);
  throw new ShapeError(
    `${where}: expected a size known when the graph is built, got ${dim === undefined ? "no such axis" : `"${dim}"`}`,
  );
}

export const runTimeSizes = (shape: Shape): Shape => shape.filter((dim) => typeof dim === "string");
export const staticSizes = (shape: Shape): Shape => shape.filter((dim) => typeof dim === "number");

/** A size divided by `n`; a run-time size gets a name of its own. */
export const dividedBy = (dim: Dim, n: number): Dim => (typeof dim === "number" ? dim / n : `${dim}/${n}`);

export const showShape = (shape: Shape) => `[${shape.join(", ")}]`;

export const sameShape = (a: Shape, b: Shape) => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** NumPy's rule: align at the right; sizes must be equal or 1. */
export function broadcastShapes(a: Shape, b: Shape, where: string): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new ShapeError(`${where}: ${showShape(a)} and ${showShape(b)} do not broadcast`);
  });
}

/** `axis` counted from the front. */
export function normalAxis(axis: number, rank: number, where: string): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank) throw new ShapeError(`${where}: axis ${axis} is outside a tensor of rank ${rank}`);
  return normal;
}

/** Whether a tensor of shape `given` fits a declared shape `expected`; a run-time size accepts any size. */
export const fits = (given: Shape, expected: Shape) =>
  given.length === expected.length && given.every((size, i) => typeof expected[i] === "string" || size === expected[i]);
