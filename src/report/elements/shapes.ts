import { escapeHtml } from "./escape";
import { inline, shortNumber } from "./text";

/** A shape over an image, in the image's own pixels. */
export type PixelShape =
  | Region<{
      readonly type: "box";
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    }>
  | Region<{ readonly type: "polygon"; readonly points: readonly (readonly [x: number, y: number])[] }>
  | { readonly type: "point"; readonly x: number; readonly y: number; readonly label?: string };

/** A predicted region has the IoU with the true one that it is matched with. */
type Region<Shape> = Shape & { readonly label?: string; readonly iou?: number };

/** An annotation as a page shows it. */
export interface Shown {
  /** The text that the task writes. */
  readonly text: string;
  readonly shapes?: readonly PixelShape[];
  readonly bars?: readonly Bar[];
  /** Why it could not be drawn. */
  readonly problem?: string;
}

export type Bar = readonly [label: string, share: number];

export interface ShownExample {
  readonly id: string;
  readonly subject?: string;
  /** The embedded image, with the size of the original in pixels; or the reason why it is missing. */
  readonly image: Embedded | string;
  readonly truth?: Shown;
}

export interface Embedded {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

/** Shows an example: its image with the true and the predicted shapes, its id, its subject, and bars or the truth. */
export function exampleHtml({ id, subject, image, truth }: ShownExample, prediction?: Shown): string {
  const picture =
    typeof image === "string"
      ? `<p class="problem">The image could not be read: ${inline(image)}</p>`
      : pictureSvg(image, id, truth?.shapes ?? [], prediction?.shapes ?? []);
  const problems = [truth, prediction].map((shown) =>
    shown?.problem === undefined ? "" : `<p class="problem">${inline(shown.problem)}</p>`,
  );
  const asked = subject === undefined ? "" : `<p>${inline(subject)}</p>`;
  const values = barsTable(truth?.bars ?? [], prediction?.bars ?? []);
  const text = truth && !truth.bars ? `<p>truth: <code>${inline(truth.text)}</code></p>` : "";
  return `<div class="example">${picture}${problems.join("")}<p class="id">${inline(id)}</p>${asked}${values}${text}</div>`;
}

/** An SVG of an image, in its own pixels, with shapes over it: truth solid, prediction dashed. */
function pictureSvg(
  { id, width, height }: Embedded,
  name: string,
  truth: readonly PixelShape[],
  prediction: readonly PixelShape[],
): string {
  const size = Math.max(width, height);
  const drawn = overlay(truth, "truth", size) + overlay(prediction, "prediction", size);
  const label = ["image", name, ...counted(truth, "true"), ...counted(prediction, "predicted")].join(" ");
  return `<svg class="picture" viewBox="0 0 ${width} ${height}" preserveAspectRatio="xMinYMin" role="img" aria-label="${escapeHtml(label.slice(0, 200))}"><use href="#${id}"/>${drawn}</svg>`;
}

const counted = (shapes: readonly PixelShape[], which: string) => {
  const ious = shapes.flatMap((shape) => (shape.type !== "point" && shape.iou ? [shape.iou] : []));
  const overlaps = ious.length > 0 ? ` (IoU ${ious.slice(0, 5).map(shortNumber).join(", ")})` : "";
  return shapes.length === 0 ? [] : [`, ${shapes.length} ${which}${overlaps}`];
};

/** Draws shapes over an image whose longer side is `size` pixels. */
function overlay(shapes: readonly PixelShape[], className: string, size: number): string {
  return shapes.map((shape) => shapeSvg(shape, className, size)).join("");
}

function shapeSvg(shape: PixelShape, className: string, size: number): string {
  const label = shape.label === undefined ? undefined : `<title>${inline(shape.label)}</title>`;
  const element = (tag: string, attributes: string) =>
    `<${tag} class="${className}" ${attributes}${label === undefined ? "/>" : `>${label}</${tag}>`}`;
  if (shape.type === "point")
    return element("circle", `cx="${shape.x}" cy="${shape.y}" r="${Number((size / 80).toFixed(3))}"`);
  if (shape.type === "box")
    return (
      element("rect", `x="${shape.x}" y="${shape.y}" width="${shape.width}" height="${shape.height}"`) +
      iouText(shape, [shape.x, shape.y], size)
    );
  const highest = shape.points.reduce((a, b) => (b[1] < a[1] ? b : a), shape.points[0]!);
  return (
    element("polygon", `points="${shape.points.map((point) => point.join(",")).join(" ")}"`) +
    iouText(shape, highest, size)
  );
}

/** Writes a region's IoU into the image, above its corner or, at the upper edge, below it. */
function iouText({ iou }: { readonly iou?: number }, [x, y]: readonly [number, number], size: number): string {
  if (iou === undefined) return "";
  const height = size / 13;
  const at = Math.max(y - height / 4, height);
  return `<text x="${Math.round(Math.max(x, 0))}" y="${Math.round(at)}" font-size="${height.toFixed(1)}">${iou.toFixed(2)}</text>`;
}

/** The truth's bars and the prediction's, label by label. */
function barsTable(truth: readonly Bar[], prediction: readonly Bar[]): string {
  if (truth.length + prediction.length === 0) return "";
  const [shares, predicted] = [new Map(truth), new Map(prediction)];
  const sides = [
    { name: "truth", word: "true", values: shares },
    { name: "prediction", word: "model", values: predicted },
  ].filter(({ values }) => values.size > 0);
  const head = sides.map(({ word }) => `<th scope="col">${word}</th>`).join("");
  const rows = [...new Set([...shares.keys(), ...predicted.keys()])].map((label) => {
    const lines = sides.map(({ name, values }, i) => rect(name, values.get(label) ?? 0, i * 10)).join("");
    const numbers = sides.map(({ values }) => `<td>${values.has(label) ? shortNumber(values.get(label)!) : "–"}</td>`);
    return `<tr><th scope="row">${inline(label, 40)}</th><td><svg class="bars" viewBox="0 0 100 ${10 * sides.length}" preserveAspectRatio="none" aria-hidden="true">${lines}</svg></td>${numbers.join("")}</tr>`;
  });
  const table = `<table class="distribution"><thead><tr><th scope="col">label</th><td></td>${head}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  const [sum, expected] = [prediction, truth].map((bars) => bars.reduce((total, [, share]) => total + share, 0));
  const isOff = prediction.length > 0 && Math.abs(expected! - 1) < 0.02 && Math.abs(sum! - 1) > 0.02;
  return isOff ? `${table}<p class="note">The predicted shares sum to ${shortNumber(sum!)}.</p>` : table;
}

const rect = (className: string, share: number, y = 0) =>
  `<rect class="${className}" y="${y + 1}" width="${(Math.min(Math.max(share, 0), 1) * 100).toFixed(1)}" height="8"/>`;

export const bar = (share: number): string =>
  `<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">${rect("main", share)}</svg>`;

const sample = (side: string, line: string) =>
  `<span class="of-${side}"><svg viewBox="0 0 24 10" aria-hidden="true"><rect class="${side}" x="1" y="1" width="22" height="8"/></svg> ${side}<span class="of-shapes">, ${line}</span></span>`;

/** Says which colour is the truth, and which the prediction; the style hides what its section does not show. */
export const legend = `<p class="legend">${sample("truth", "solid")} ${sample("prediction", "dashed")}<span class="of-iou">, with its IoU</span></p>`;
