import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Qwen25VlConfig } from "../../../../src/models/families/qwen2-5-vl/config";
import { visionTables, windowsOf } from "../../../../src/models/families/qwen2-5-vl/vision";
import type { Grid } from "../../../../src/models/parts/positions";

/** Recorded by test/reference/families/record.py: transformers 5.24.0. */
interface RecordedWindows {
  readonly grid: Grid;
  readonly windowSize: number;
  readonly patchSize: number;
  readonly spatialMergeSize: number;
  /** Blocks of patches, window by window. */
  readonly index: readonly number[];
  /** How many patches come before the end of each window; the first is 0. */
  readonly ends: readonly number[];
}

const recorded: readonly RecordedWindows[] = JSON.parse(
  readFileSync(
    fileURLToPath(new URL("../../../reference/data/families/qwen2-5-vl/tables.json", import.meta.url)),
    "utf8",
  ),
);

const configOf = (vision: Omit<RecordedWindows, "grid" | "index" | "ends">) =>
  ({ vision: { ...vision, hiddenSize: 16, heads: 2 } }) as Qwen25VlConfig;

const sorted = (windows: readonly (readonly number[])[]) => windows.map((window) => window.join()).sort();

describe("attention windows", () => {
  it.each(recorded)("are those of transformers for grid $grid and windows of $windowSize pixels", (example) => {
    const { grid, index, ends, spatialMergeSize } = example;
    const area = spatialMergeSize ** 2;
    const theirs = ends.slice(1).map((end, i) => index.slice(ends[i]! / area, end / area));
    const ours = windowsOf(grid, configOf(example));
    expect(sorted(ours.flat())).toEqual(sorted(theirs));
  });

  it.each(recorded)("of equal size stand together for grid $grid and windows of $windowSize pixels", (example) => {
    const ours = windowsOf(example.grid, configOf(example));
    const lengths = ours.map((alike) => new Set(alike.map(({ length }) => length)));
    expect(lengths.every(({ size }) => size === 1)).toBe(true);
    expect(new Set(lengths.flatMap((set) => [...set])).size).toBe(ours.length);
  });
});

describe("the tables of the vision tower", () => {
  const config = configOf({ windowSize: 56, patchSize: 14, spatialMergeSize: 2 });

  it("undo the order of blocks with their places", () => {
    const { order, places } = visionTables([1, 6, 10], config) as Record<string, { readonly data: BigInt64Array }>;
    expect(Array.from(places!.data, (place) => order!.data[Number(place)])).toEqual(
      Array.from({ length: 15 }, (_, i) => BigInt(i)),
    );
    expect(Array.from(order!.data)).not.toEqual(Array.from(places!.data));
  });

  it("have one pair of rotary tables for each size of windows", () => {
    const tables = visionTables([1, 6, 10], config);
    // Two whole windows of 4 blocks, then 2 cut ones of 2 below and on the right together, and a corner of 1.
    expect(Object.fromEntries(Object.entries(tables).map(([name, { shape }]) => [name, shape]))).toEqual({
      order: [15],
      places: [15],
      "cos.0": [2, 16, 4],
      "sin.0": [2, 16, 4],
      "cos.1": [3, 8, 4],
      "sin.1": [3, 8, 4],
      "cos.2": [1, 4, 4],
      "sin.2": [1, 4, 4],
    });
  });
});
