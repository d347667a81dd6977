import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { wholeRows } from "../src/runs/directory/files";
import { isSimple, segmentationSimilarity } from "../src/similarity/polygons";
import { printable } from "../src/terminal/text";
import type { Point, Polygon } from "../src/types";
import { cpuTime } from "./cpu-time";
import { hostile, pieces, readers, repeated } from "./linear-cases";

/** bench/linear.ts takes all texts, up to ten million characters. */
describe("reading what a model wrote", () => {
  it.each(Object.keys(readers))("takes linear time of hostile texts: %s", (name) => {
    const read = readers[name]!;
    for (const piece of hostile) {
      const time = (length: number) => {
        const text = repeated(piece, length);
        return Math.min(...[1, 2].map(() => cpuTime(() => read(text))));
      };
      time(2_000);
      // Quadratic would be 64 times as long.
      expect(time(64_000), JSON.stringify(piece)).toBeLessThan(24 * time(8_000) + 100);
    }
  });

  it("takes linear time of blanks in a line of a log", () => {
    expect(cpuTime(() => printable(`${" ".repeat(1e6)}x`))).toBeLessThan(5000);
    expect(printable("a \n\n  b  c\n")).toBe("a b  c ");
  });

  it("throws for no repeat of any token", () => {
    for (const piece of pieces)
      for (const [name, read] of Object.entries(readers))
        expect(() => read(repeated(piece, 300)), `${name}: ${JSON.stringify(piece)}`).not.toThrow();
  });

  it.each([["e\u0301"], ["a'"], ["中"], ["1"], ["😀"]])(
    "overflows no stack with six million characters of %s",
    (piece) => {
      const text = piece.repeat(6e6 / piece.length);
      expect(() => readers.findLeaks!(text)).not.toThrow();
      expect(() => readers.checkCotFormat!(text)).not.toThrow();
    },
  );
});

describe("segmentationSimilarity", () => {
  /** Teeth from one side to the other: two such outlines across each other cross at every pair of teeth. */
  const saw = (corners: number, turned: boolean): Polygon => {
    const teeth = corners / 2 - 2;
    const points: Point[] = [[0, 5]];
    for (let i = 0; i < teeth; i++)
      points.push([((i + 0.5) * 1000) / teeth, 990], [((i + 1) * 1000) / teeth, i === teeth - 1 ? 5 : 10]);
    points.push([1000, 0], [0, 0]);
    return { space: "thousand", points: turned ? points.map(([x, y]) => [y, x]) : points };
  };

  it("takes at most the square of the corners where every tooth crosses every other", () => {
    const time = (corners: number) => {
      const [a, b] = [saw(corners, false), saw(corners, true)];
      expect(isSimple(a.points)).toBe(true);
      return cpuTime(() => segmentationSimilarity([a], [b]));
    };
    time(100);
    // The square is 16 times as long, the cube 64.
    expect(time(400)).toBeLessThan(32 * Math.min(time(100), time(100)) + 50);
    const [a, b] = [saw(200, false), saw(200, true)];
    expect(segmentationSimilarity([a], [b])).toBeCloseTo(segmentationSimilarity([b], [a]), 12);
  });
});

describe("wholeRows", () => {
  const linesOf = async (content: string) => {
    const folder = await mkdtemp(join(tmpdir(), "lines-"));
    try {
      await writeFile(join(folder, "rows"), content);
      const before = process.cpuUsage();
      const lines: string[] = [];
      for await (const { text } of wholeRows(join(folder, "rows"))) lines.push(text);
      const { user, system } = process.cpuUsage(before);
      return { lines, milliseconds: (user + system) / 1000 };
    } finally {
      await rm(folder, { recursive: true });
    }
  };

  it("gives the lines that end, wherever the pieces of the file do", async () => {
    const long = "é".repeat(100_001);
    expect((await linesOf(`a\n\n${long}\n${long}x\nhalf`)).lines).toEqual(["a", "", long, `${long}x`]);
    expect((await linesOf("")).lines).toEqual([]);
    expect((await linesOf("half")).lines).toEqual([]);
    expect((await linesOf("\n\n")).lines).toEqual(["", ""]);
  });

  it("takes linear time of one long line", async () => {
    const time = async (size: number) => (await linesOf(`${"x".repeat(size)}\n`)).milliseconds;
    await time(1e6);
    expect(await time(3.2e7)).toBeLessThan(24 * (await time(4e6)) + 200);
  });
});
