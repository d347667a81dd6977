import { DataError } from "../../errors";
import { shown } from "../../options/display";
import { iouOfBoxes } from "../../similarity/boxes";
import { matchByIou } from "../../similarity/matching";
import { iouOfPolygons } from "../../similarity/polygons";
import type { Task } from "../../task";
import type { BoxSpace, DrawnShape, Point } from "../../types";
import type { Bar, PixelShape, Shown } from "./shapes";
import { beginning, shortNumber } from "./text";

/** The part of a task that shows annotations. */
export type Presenter<A> = Pick<Task<A>, "name" | "format" | "draw">;

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * An annotation as a page shows it: its text, its shapes in pixels of an image of this size, and its bars. Predictions
 * of a run come from a file and can be anything, so an error becomes a sentence of the page.
 */
export function shownBy<A>({ name, format, draw }: Presenter<A>, annotation: A, size: Size | undefined): Shown {
  const text = beginning(attempt(() => format(annotation)) ?? shown(annotation), 1000);
  try {
    const drawn = draw?.(annotation) ?? [];
    const shapes = drawn.slice(0, mostShapes);
    const rest = drawn.length - shapes.length;
    const bars = shapes.flatMap((shape): Bar[] => (shape.type === "bar" ? [barOf(shape)] : []));
    // Without an image, a first try lets invalid shapes fail here.
    const over = shapes.flatMap((shape) => pixelShape(shape, size ?? { width: 1, height: 1 }));
    return {
      text,
      ...(size && over.length > 0 && { shapes: over }),
      ...(bars.length > 0 && { bars }),
      ...(rest > 0 && { problem: `some shapes are not drawn: ${rest}` }),
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { text, problem: beginning(`${name} could not draw an annotation: ${message}`) };
  }
}

/** Shapes of one annotation that a page draws. */
const mostShapes = 200;

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function barOf({ label, share }: DrawnShape & { readonly type: "bar" }): Bar {
  if (typeof label !== "string") throw new DataError(`draw: expected a label that is text, got ${shown(label)}`);
  if (!Number.isFinite(share)) throw new DataError(`draw: expected a finite share, got ${shown(share)}`);
  return [beginning(label, 60), Number(share.toPrecision(6))];
}

function pixelShape(shape: DrawnShape, { width, height }: Size): PixelShape[] {
  if (shape.type === "bar") return [];
  const scales: Readonly<Record<BoxSpace, Point>> = {
    pixel: [1, 1],
    thousand: [width / 1000, height / 1000],
    unit: [width, height],
  };
  if (!Object.hasOwn(scales, shape.space))
    throw new DataError(`draw: expected a space of unit, thousand or pixel, got ${shown(shape.space)}`);
  const [x, y] = scales[shape.space];
  const label = shape.label === undefined ? {} : { label: beginning(String(shape.label), 60) };
  if (shape.type === "polygon") {
    const points = shape.points.map((point): Point => [pixels(point[0] * x), pixels(point[1] * y)]);
    if (points.length === 0) throw new DataError("draw: expected a polygon with points, got none");
    return [{ type: "polygon", points, ...label }];
  }
  const place = { x: pixels(shape.x * x), y: pixels(shape.y * y), ...label };
  if (shape.type === "point") return [{ type: "point", ...place }];
  if (shape.type !== "box")
    throw new DataError(`draw: expected a box, a polygon, a point or a bar, got ${shown(shape)}`);
  return [{ type: "box", ...place, width: pixels(shape.width * x), height: pixels(shape.height * y) }];
}

function pixels(value: number): number {
  if (!Number.isFinite(value)) throw new DataError(`draw: expected finite coordinates, got ${value}`);
  return Number(value.toFixed(3));
}

/** More pairs than these are not matched: the page of a hostile answer must come in time. */
const mostPairs = 2500;

/** Adds to every predicted region the IoU with the true one that it is matched with; 0 without a match. */
export function withIou(prediction: Shown, truth: Shown | undefined): Shown {
  const { shapes } = prediction;
  if (!shapes || !truth?.shapes) return prediction;
  const ious = new Map([
    ...matched(truth.shapes, shapes, "box", (a, b) => iouOfBoxes({ space: "pixel", ...a }, { space: "pixel", ...b })),
    ...matched(truth.shapes, shapes, "polygon", (a, b) =>
      iouOfPolygons({ space: "pixel", points: a.points }, { space: "pixel", points: b.points }),
    ),
  ]);
  const measured = shapes.map((shape) => (ious.has(shape) ? { ...shape, iou: ious.get(shape)! } : shape));
  return { ...prediction, shapes: measured as readonly PixelShape[] };
}

function matched<Type extends "box" | "polygon">(
  truth: readonly PixelShape[],
  prediction: readonly PixelShape[],
  type: Type,
  iou: (a: PixelShape & { type: Type }, b: PixelShape & { type: Type }) => number,
): (readonly [PixelShape, number])[] {
  const isOfType = (shape: PixelShape): shape is PixelShape & { type: Type } => shape.type === type;
  const [truths, predictions] = [truth.filter(isOfType), prediction.filter(isOfType)];
  if (truths.length === 0 || truths.length * predictions.length > mostPairs) return [];
  const found = attempt(() => matchByIou(truths, predictions, iou)) ?? [];
  const best = new Map(found.map((match) => [match.prediction, match.iou]));
  return predictions.map((shape, i) => [shape, Number(shortNumber(best.get(i) ?? 0))] as const);
}
