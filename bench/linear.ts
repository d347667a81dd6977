/**
 * Whether what reads a model's text takes linear time: every reader × repeats of every class of token and every word that a rule looks for.
 *
 *   npx tsx bench/linear.ts [characters] [reader] [seconds] [hostile]     10240000, all readers; a text is left at the length that takes 10 s
 *
 * Lengths double from 10 000 characters. The growth is the slope of log time over log length, by least squares over the lengths that take 20 ms or
 * more; 1 is linear, 2 the square. Processor time counts, of one call for each length; a text that grows faster than 1.15 is measured up to four
 * times, and the shortest time of each length counts, because caches and garbage collection make single calls longer.
 */
import { cpuTime } from "../test/cpu-time";
import { hostile, pieces, readers, repeated } from "../test/linear-cases";

const [most = "10240000", only, seconds = "10", which] = process.argv.slice(2);
const texts = which === "hostile" ? hostile : pieces;
const lengths: number[] = [];
for (let length = 10_000; length <= Number(most); length *= 2) lengths.push(length);

interface Row {
  readonly piece: string;
  readonly length: number;
  readonly milliseconds: number;
  readonly growth: number | undefined;
}

const slowest = (rows: readonly Row[]) =>
  [...rows].sort((a, b) => b.milliseconds / b.length - a.milliseconds / a.length)[0]!;

for (const [name, read] of Object.entries(readers)) {
  if (only !== undefined && only !== "all" && name !== only) continue;
  const rows = texts.map((piece) => settled(piece, read));
  const steepest = rows.filter(({ growth }) => growth !== undefined).sort((a, b) => b.growth! - a.growth!)[0];
  const slow = slowest(rows);
  console.log(
    `${name.padEnd(24)} ${rows.length} texts   slowest ${((1e6 * slow.milliseconds) / slow.length).toFixed(0)} ns a character (${slow.piece})   ` +
      `steepest ${steepest ? `${steepest.growth!.toFixed(2)} to ${steepest.length} characters (${steepest.piece})` : "too fast to tell"}   ` +
      `over 1.15: ${rows.filter(({ growth = 0 }) => growth > 1.15).length}`,
  );
  console.log(
    JSON.stringify({
      bench: "linear",
      reader: name,
      slowest: slow,
      steepest,
      over: rows.filter(({ growth = 0 }) => growth > 1.15),
    }),
  );
}

interface Point {
  readonly length: number;
  readonly milliseconds: number;
}

function settled(piece: (typeof pieces)[number], read: (text: string) => unknown): Row {
  let points = measured(piece, read);
  for (let tries = 1; tries < 4 && (rowOf(piece, points).growth ?? 0) > 1.15; tries++) {
    const again = new Map(measured(piece, read).map(({ length, milliseconds }) => [length, milliseconds]));
    points = points.map(({ length, milliseconds }) => ({
      length,
      milliseconds: Math.min(milliseconds, again.get(length) ?? milliseconds),
    }));
  }
  return rowOf(piece, points);
}

function measured(piece: (typeof pieces)[number], read: (text: string) => unknown): Point[] {
  const points: Point[] = [];
  read(repeated(piece, 2_000));
  for (const length of lengths) {
    const text = repeated(piece, length);
    const milliseconds = cpuTime(() => void read(text));
    points.push({ length, milliseconds });
    if (milliseconds > 1000 * Number(seconds)) break;
  }
  return points;
}

function rowOf(piece: (typeof pieces)[number], points: readonly Point[]): Row {
  return {
    piece: JSON.stringify(piece[0]),
    ...points.at(-1)!,
    growth: slope(points.filter(({ milliseconds }) => milliseconds >= 20)),
  };
}

/** By least squares; undefined of fewer than three lengths. */
function slope(points: readonly Point[]): number | undefined {
  if (points.length < 3) return undefined;
  const xy = points.map(({ length, milliseconds }) => [Math.log(length), Math.log(milliseconds)] as const);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(xy.map(([x]) => x)), mean(xy.map(([, y]) => y))];
  return mean(xy.map(([x, y]) => (x - mx) * (y - my))) / mean(xy.map(([x]) => (x - mx) ** 2));
}
