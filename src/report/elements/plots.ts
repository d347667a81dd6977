import { checkArguments, listKind, objectKind, textKind } from "../../options/arguments";
import { escapeHtml } from "./escape";

export interface Point {
  readonly x: number;
  readonly y: number;
}

const [width, height] = [300, 120];
const margin = { left: 44, right: 8, top: 10, bottom: 20 };

/**
 * Draws a line through points as SVG, with the range of each axis at its ends. Points that are not finite leave a gap.
 * @example
 * const svg = linePlot("reward", [{ x: 1, y: 0.2 }, { x: 2, y: 0.5 }]);
 */
export function linePlot(title: string, points: readonly Point[]): string {
  checkArguments("linePlot", { title, points }, { title: textKind, points: listKind(objectKind) });
  const finite = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  if (finite.length === 0) return "";
  const x = axis(
    finite.map((p) => p.x),
    margin.left,
    width - margin.right,
  );
  const y = axis(
    finite.map((p) => p.y),
    height - margin.bottom,
    margin.top,
  );
  const lines = pieces(points).map((piece) =>
    piece.length === 1
      ? `<circle cx="${x.at(piece[0]!.x)}" cy="${y.at(piece[0]!.y)}" r="2"/>`
      : `<polyline points="${thinned(piece.map((p) => ({ x: x.at(p.x), y: y.at(p.y) })))
          .map((p) => `${p.x},${p.y}`)
          .join(" ")}"/>`,
  );
  const text = (at: Point, anchor: string, value: number) =>
    `<text x="${at.x}" y="${at.y}" text-anchor="${anchor}">${shortNumber(value)}</text>`;
  const [left, right, bottom] = [margin.left, width - margin.right, height - margin.bottom];
  return [
    `<figure class="plot"><figcaption>${escapeHtml(title)} <b>${shortNumber(finite.at(-1)!.y)}</b></figcaption>`,
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">`,
    `<path class="axis" d="M${left} ${margin.top}V${bottom}H${right}"/>`,
    ...lines,
    text({ x: left - 4, y: y.at(y.least) + 3 }, "end", y.least),
    y.most > y.least ? text({ x: left - 4, y: y.at(y.most) + 3 }, "end", y.most) : "",
    text({ x: left, y: height - 5 }, "start", x.least),
    x.most > x.least ? text({ x: right, y: height - 5 }, "end", x.most) : "",
    "</svg></figure>",
  ].join("");
}

/** Maps the values' range onto pixels; a single value goes to the middle. */
function axis(values: readonly number[], from: number, to: number) {
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  const share = (value: number) => (most === least ? 0.5 : (value - least) / (most - least));
  return { least, most, at: (value: number) => Number((from + share(value) * (to - from)).toFixed(1)) };
}

/** A longer line is thinned: a plot has some 250 columns of pixels. */
const mostPoints = 1000;

/** Keeps the first, lowest, highest and last point of each column of pixels, so that a long line looks as it did. */
function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= mostPoints) return points;
  const columns = new Map<number, Point[]>();
  for (const point of points) {
    const column = columns.get(Math.round(point.x));
    if (column) column.push(point);
    else columns.set(Math.round(point.x), [point]);
  }
  return [...columns.values()].flatMap((column) => {
    const lowest = column.reduce((a, b) => (b.y > a.y ? b : a));
    const highest = column.reduce((a, b) => (b.y < a.y ? b : a));
    return column.filter((point, i) => i === 0 || point === lowest || point === highest || i === column.length - 1);
  });
}

/** Runs of finite points. */
function pieces(points: readonly Point[]): Point[][] {
  const runs: Point[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point.x) && Number.isFinite(point.y)) runs.at(-1)!.push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

/** Three significant digits. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));
