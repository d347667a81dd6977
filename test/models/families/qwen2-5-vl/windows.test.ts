import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { estimateMemory } from "../../../../src/engine/memory/estimate";
import { imaginedPolicy } from "../../../../src/engine/memory/shape-only-policy";
import type { Qwen25VlConfig } from "../../../../src/models/families/qwen2-5-vl/config";
import { qwen25VlArchitecture } from "../../../../src/models/families/qwen2-5-vl/family";
import { visionTables, windowsOf } from "../../../../src/models/families/qwen2-5-vl/windows";
import type { Grid } from "../../../../src/models/parts/positions";
import { visionShape } from "../../../../src/models/parts/vision-inputs";

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

describe("the memory of the vision tower", () => {
  it("has scores of windows only, unless a layer has full attention", () => {
    const activations = (fullAttention: readonly number[], sides: number) => {
      const architecture = qwen25VlArchitecture(towerOf(fullAttention));
      const vision = visionShape(architecture, [1, sides, sides], 1);
      return estimateMemory(imaginedPolicy(architecture, "nothing", "F32"), { vision }).activations;
    };
    // With four times the patches, scores of windows are four times as many, and those of an image sixteen times.
    expect(activations([], 64) / activations([], 32)).toBeLessThan(4.5);
    expect(activations([1], 64) / activations([1], 32)).toBeGreaterThan(10);
    expect(activations([1], 64)).toBeGreaterThan(5 * activations([], 64));
  });
});

/** Qwen2.5-VL with two vision layers and one text layer. */
const towerOf = (fullAttention: readonly number[]): Qwen25VlConfig => ({
  text: {
    vocabSize: 291,
    hiddenSize: 32,
    intermediateSize: 48,
    layers: 1,
    heads: 4,
    kvHeads: 2,
    headDim: 8,
    rmsNormEps: 1e-6,
    ropeTheta: 1e6,
    mropeSection: [1, 1, 2],
    tieWordEmbeddings: true,
    contextLength: 512,
  },
  vision: {
    depth: 2,
    hiddenSize: 32,
    intermediateSize: 48,
    heads: 4,
    windowSize: 112,
    fullAttention,
    patchSize: 14,
    temporalPatchSize: 2,
    spatialMergeSize: 2,
    inChannels: 3,
  },
  tokens: { image: 289, video: 290, visionStart: 287, visionEnd: 288, eos: [284], pad: 285 },
});
