import { checkArguments, listKind, objectKind, textKind } from "../../options/arguments";
import { escapeHtml } from "./escape";
import { inline, shortNumber } from "./text";

export { shortNumber } from "./text";

/** A point of a plotted line. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A line of a plot. */
export interface Series {
  /** Its name, if the plot has several lines. */
  readonly name?: string;
  readonly points: readonly Point[];
  /** The lowest and the highest value at each x, drawn as an area. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
}

export interface PlotOptions {
  /** The values that the y axis shows at least; it grows to hold every value (from the least to the most). */
  readonly range?: readonly [low: number, high: number];
  /** Draws points without a line, because x is no time (false). */
  readonly isScattered?: boolean;
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
  return plot(title, [{ points }]);
}

/** Draws lines over one pair of axes. Without a finite point, there is no plot. */
export function plot(title: string, series: readonly Series[], options: PlotOptions = {}): string {
  const drawn = series.filter(({ points }) => points.some(isFinitePoint));
  const finite = drawn.flatMap(({ points }) => points.filter(isFinitePoint));
  if (finite.length === 0) return "";
  const bands = drawn.flatMap(({ band = [] }) => band.flatMap(({ low, high }) => [low, high]));
  const x = axis([finite.map((p) => p.x)], margin.left, width - margin.right);
  const y = axis([finite.map((p) => p.y), bands, options.range ?? []], height - margin.bottom, margin.top);
  const lines = drawn.map(
    ({ points, band = [] }, i) =>
      `<g class="series s${i % 6}" data-points="${valuesOf(points)}">${bandOf(band, x, y)}${lineOf(points, x, y, options)}</g>`,
  );
  const text = (at: Point, anchor: string, words: string) =>
    `<text x="${at.x}" y="${at.y}" text-anchor="${anchor}">${words}</text>`;
  const [left, right, bottom] = [margin.left, width - margin.right, height - margin.bottom];
  return [
    `<figure class="plot"><figcaption>${inline(title)} ${key(drawn)}</figcaption>`,
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}" data-x="${x.least} ${x.most} ${left} ${right}">`,
    `<path class="axis" d="M${left} ${margin.top}V${bottom}H${right}"/>`,
    ...lines,
    text({ x: left - 4, y: y.at(y.least) + 3 }, "end", ofAxis(y.least)),
    y.most > y.least ? text({ x: left - 4, y: y.at(y.most) + 3 }, "end", ofAxis(y.most)) : "",
    text({ x: left, y: height - 5 }, "start", shortNumber(x.least)),
    text({ x: (left + right) / 2, y: height - 5 }, "middle", "step"),
    x.most > x.least ? text({ x: right, y: height - 5 }, "end", shortNumber(x.most)) : "",
    "</svg></figure>",
  ].join("");
}

/** A number that fits beside the axis. */
const ofAxis = (value: number) =>
  value !== 0 && Math.abs(value) < 0.001 ? Number(value.toPrecision(3)).toExponential() : shortNumber(value);

const isFinitePoint = ({ x, y }: Point) => Number.isFinite(x) && Number.isFinite(y);

/** The last value of each line, with its name if there are several. */
function key(series: readonly Series[]): string {
  const last = ({ points }: Series) => `<b>${shortNumber(points.findLast(isFinitePoint)!.y)}</b>`;
  if (series.length === 1 && series[0]!.name === undefined) return last(series[0]!);
  return series
    .map((line, i) => `<span class="key s${i % 6}">${inline(line.name ?? "", 60)} ${last(line)}</span>`)
    .join("");
}

type Axis = ReturnType<typeof axis>;

/** Maps the values' range onto pixels; a single value goes to the middle. */
function axis(lists: readonly (readonly number[])[], from: number, to: number) {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const values of lists) {
    for (const value of values) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  const share = (value: number) => (most === least ? 0.5 : (value - least) / (most - least));
  return { least, most, at: (value: number) => Number((from + share(value) * (to - from)).toFixed(1)) };
}

function lineOf(points: readonly Point[], x: Axis, y: Axis, { isScattered = false }: PlotOptions): string {
  const place = (p: Point) => ({ x: x.at(p.x), y: y.at(p.y) });
  const dot = (p: Point) => `<circle cx="${p.x}" cy="${p.y}" r="2"/>`;
  return pieces(points)
    .map((piece) => {
      const places = thinned(piece.map(place));
      if (isScattered || piece.length === 1) return places.map(dot).join("");
      return `<polyline points="${places.map((p) => `${p.x},${p.y}`).join(" ")}"/>`;
    })
    .join("");
}

function bandOf(band: NonNullable<Series["band"]>, x: Axis, y: Axis): string {
  if (band.length < 2) return "";
  const upper = thinned(band.map((at) => ({ x: x.at(at.x), y: y.at(at.high) })));
  const lower = thinned(band.map((at) => ({ x: x.at(at.x), y: y.at(at.low) })));
  return `<path class="band" d="M${[...upper, ...lower.reverse()].map((p) => `${p.x} ${p.y}`).join("L")}Z"/>`;
}

/** The values that the page's script tells at a place of the plot. */
const valuesOf = (points: readonly Point[]): string => {
  const finite = points.filter(isFinitePoint);
  const every = Math.ceil(finite.length / mostPoints);
  return finite
    .filter((_, i) => i % every === 0 || i === finite.length - 1)
    .map(({ x, y }) => `${x} ${shortNumber(y)}`)
    .join(";");
};

/** A longer line is thinned: a plot has some 250 columns of pixels. */
const mostPoints = 1000;

/** Keeps the first, lowest, highest and last point of each column of pixels, so that a long line looks as it did. */
function thinned(points: readonly Point[]): Point[] {
  if (points.length <= mostPoints) return [...points];
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

function pieces(points: readonly Point[]): Point[][] {
  const runs: Point[][] = [[]];
  for (const point of points) {
    if (isFinitePoint(point)) runs.at(-1)!.push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}
