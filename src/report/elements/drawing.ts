import { DataError } from "../../errors";
import { shown } from "../../options/display";
import type { Task } from "../../task";
import type { BoxSpace, DrawnShape } from "../../types";
import { escapeHtml } from "./escape";
import { shortNumber } from "./plots";
import { bar } from "./views";

/** A task's drawing of an annotation, or the reason why it failed. */
export interface Drawn {
  readonly shapes: readonly DrawnShape[];
  /** HTML that says what went wrong; empty if nothing did. */
  readonly problem: string;
}

/**
 * Asks a task to draw an annotation; `null` and `undefined` are no annotation. Predictions of a run come from a file
 * and can be anything, so an error becomes a paragraph of the page.
 */
export function drawnBy<A>(task: Task<A>, annotation: A | null | undefined): Drawn {
  if (annotation === null || annotation === undefined) return { shapes: [], problem: "" };
  try {
    const shapes = task.draw?.(annotation) ?? [];
    // A first try, so that invalid shapes fail here.
    void [overlay(shapes, "", { width: 1, height: 1 }), bars(shapes)];
    return { shapes, problem: "" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const problem = `<p class="problem">${escapeHtml(task.name)} could not draw an annotation: ${escapeHtml(message)}</p>`;
    return { shapes: [], problem };
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Draws shapes other than bars as SVG over an image of this size in pixels. */
export function overlay(shapes: readonly DrawnShape[], className: string, size: Size): string {
  return shapes.map((shape) => shapeOver(shape, className, size)).join("");
}

function shapeOver(shape: DrawnShape, className: string, { width, height }: Size): string {
  if (shape.type === "bar") return "";
  const scale: Readonly<Record<BoxSpace, readonly [number, number]>> = {
    pixel: [1, 1],
    thousand: [width / 1000, height / 1000],
    unit: [width, height],
  };
  const [x, y] = scale[shape.space];
  const element = (tag: string, attributes: string) =>
    `<${tag} class="${className}" ${attributes}${shape.label === undefined ? "/>" : `><title>${escapeHtml(shape.label)}</title></${tag}>`}`;
  if (shape.type === "box") {
    const corner = `x="${pixels(shape.x * x)}" y="${pixels(shape.y * y)}"`;
    return element("rect", `${corner} width="${pixels(shape.width * x)}" height="${pixels(shape.height * y)}"`);
  }
  if (shape.type === "polygon") {
    const points = shape.points.map((point) => `${pixels(point[0] * x)},${pixels(point[1] * y)}`);
    return element("polygon", `points="${points.join(" ")}"`);
  }
  if (shape.type !== "point")
    throw new DataError(`draw: expected a box, a polygon, a point or a bar, got ${shown(shape)}`);
  const radius = pixels(Math.max(width, height) / 80);
  return element("circle", `cx="${pixels(shape.x * x)}" cy="${pixels(shape.y * y)}" r="${radius}"`);
}

function pixels(value: number): number {
  if (!Number.isFinite(value)) throw new DataError(`draw: expected finite coordinates, got ${value}`);
  return Number(value.toFixed(3));
}

/** The bars among the shapes as a table; empty if there are none. */
function bars(shapes: readonly DrawnShape[]): string {
  const rows = shapes.flatMap((shape) =>
    shape.type === "bar"
      ? [`<tr><td>${escapeHtml(shape.label)}</td><td>${bar(shape.share)}</td><td>${shortNumber(shape.share)}</td></tr>`]
      : [],
  );
  return rows.length === 0 ? "" : `<table class="distribution">${rows.join("")}</table>`;
}

/** Shows an annotation beside its image: its bars if the task draws some, or else the text that the task writes. */
export function annotationView<A>(task: Task<A>, annotation: A): string {
  const { shapes } = drawnBy(task, annotation);
  return bars(shapes) || `<code>${escapeHtml(task.format(annotation))}</code>`;
}
