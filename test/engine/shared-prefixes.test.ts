import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupByPrefix, microBatches, type PrefixGroup, planBatch } from "../../src/engine/shared-prefixes";
import type { Row } from "../../src/models/inputs/row";

const pictures = [0, 1].map((i) => ({ grid: [1, 2, 2 + 2 * i] as const, pixelValues: new Float32Array(0) }));

/** Few tokens, so that rows often begin alike. */
const row = fc
  .record({
    tokens: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 2, maxLength: 9 }),
    images: fc.constantFrom([], [pictures[0]!], [pictures[1]!], [pictures[0]!, pictures[1]!]),
    scored: fc.nat(7),
  })
  .map(({ tokens, images, scored }): Row => {
    return { tokens, images, promptLength: Math.max(1, tokens.length - scored) };
  });
const someRows = fc.array(row, { minLength: 1, maxLength: 6 });

const saved = (groups: readonly PrefixGroup[]) =>
  groups.reduce((sum, { rows, shared }) => sum + (rows.length - 1) * shared, 0);

/** How many tokens some rows can share. */
function common(rows: readonly Row[]): number {
  const [{ tokens, images }] = rows as [Row];
  if (rows.some((other) => String(other.images.map(id)) !== String(images.map(id)))) return 0;
  let n = 0;
  while (rows.every((other) => n < other.promptLength - 1 && other.tokens[n] === tokens[n])) n++;
  return n;
}
const id = (image: Row["images"][number]) => pictures.indexOf(image as (typeof pictures)[number]);

/** The most that any way to group rows saves. */
function mostSaved(rows: readonly Row[]): number {
  if (rows.length === 0) return 0;
  const [first, ...others] = rows as [Row, ...Row[]];
  let most = 0;
  for (let subset = 0; subset < 2 ** others.length; subset++) {
    const group = [first, ...others.filter((_, i) => subset & (1 << i))];
    const rest = others.filter((_, i) => !(subset & (1 << i)));
    most = Math.max(most, (group.length - 1) * common(group) + mostSaved(rest));
  }
  return most;
}

describe("groupByPrefix", () => {
  it("puts every row in one group, whose rows do begin alike", () => {
    fc.assert(
      fc.property(someRows, (rows) => {
        const groups = groupByPrefix(rows);
        expect(groups.flatMap((group) => group.rows).sort()).toEqual(rows.map((_, i) => i));
        for (const { rows: members, shared } of groups)
          expect(shared).toBeLessThanOrEqual(common(members.map((i) => rows[i]!)));
      }),
    );
  });

  it("saves as many tokens as any other grouping does", () => {
    fc.assert(
      fc.property(someRows, (rows) => {
        expect(saved(groupByPrefix(rows))).toBe(mostSaved(rows));
      }),
    );
  });
});

describe("microBatches", () => {
  it("takes every row once, no more than may go at once", () => {
    fc.assert(
      fc.property(someRows, fc.integer({ min: 1, max: 7 }), (rows, rowsAtOnce) => {
        const batches = microBatches(rows, rowsAtOnce).map((batch) => batch.flatMap((group) => group.rows));
        expect(batches.flat().sort()).toEqual(rows.map((_, i) => i));
        expect(batches.map(({ length }) => length)).toEqual(
          Array.from({ length: Math.ceil(rows.length / rowsAtOnce) }, (_, k) =>
            Math.min(rowsAtOnce, rows.length - k * rowsAtOnce),
          ),
        );
      }),
    );
  });

  it("keeps the completions of a prompt side by side", () => {
    const of = (prompt: number, end: number) => ({
      ...{ tokens: [...new Array<number>(40).fill(prompt), 9, end], images: [], promptLength: 41 },
    });
    const rows = [of(1, 5), of(2, 5), of(1, 6), of(2, 6), of(1, 7), of(2, 7)];
    expect(microBatches(rows, 3)).toEqual([[{ rows: [0, 2, 4], shared: 40 }], [{ rows: [1, 3, 5], shared: 40 }]]);
  });
});

describe("planBatch", () => {
  const prompt = (length: number, first = 1) => [first, ...new Array<number>(length - 1).fill(2)];
  const rowOf = (promptLength: number, completion: number, first = 1): Row => ({
    ...{ tokens: [...prompt(promptLength, first), ...new Array<number>(completion).fill(3)], images: [], promptLength },
  });
  const plan = (rows: readonly Row[]) => planBatch(rows, microBatches(rows, rows.length)[0]!);

  it("computes once what rows share, and reads what is scored in their own part", () => {
    const rows = [rowOf(40, 5), rowOf(40, 9)];
    expect(plan(rows)).toEqual({
      prefixes: [{ row: rows[0], from: 0, to: 39 }],
      prefixTime: 48,
      rows: [
        { row: rows[0], from: 39, to: 45, prefix: 0 },
        { row: rows[1], from: 39, to: 49, prefix: 0 },
      ],
      time: 16,
    });
  });

  it("shares nothing where little would be saved", () => {
    const rows = [rowOf(20, 100), rowOf(20, 100)];
    expect(plan(rows)).toMatchObject({ prefixes: [], prefixTime: 0, time: 128 });
    expect(plan(rows).rows.map(({ from, to }) => [from, to])).toEqual([
      [0, 120],
      [0, 120],
    ]);
  });

  it("takes a row that is alone apart as well, where others in its batch are", () => {
    const rows = [rowOf(40, 5), rowOf(40, 5), rowOf(40, 5), rowOf(30, 5, 7)];
    const { prefixes, rows: parts } = plan(rows);
    expect(prefixes.map(({ row, to }) => [rows.indexOf(row), to])).toEqual([
      [3, 29],
      [0, 39],
    ]);
    expect(parts.map(({ row, from }) => [rows.indexOf(row), from])).toEqual([
      [3, 29],
      [0, 39],
      [1, 39],
      [2, 39],
    ]);
  });
});
