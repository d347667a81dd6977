import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Qwen3VlConfig } from "../../../../src/models/families/qwen3-vl/config";
import { visionTables } from "../../../../src/models/families/qwen3-vl/vision";
import type { Grid } from "../../../../src/models/parts/positions";
import { sha256 } from "../../reference";

/** Recorded by test/reference/families/record.py: transformers 5.24.0. */
interface RecordedPositions {
  readonly grid: Grid;
  /** Learned positions along each side. */
  readonly side: number;
  readonly spatialMergeSize: number;
  /** Every how many patches the two lists have one; the digest is of all patches. */
  readonly step: number;
  readonly indices: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
  readonly sha256: string;
}

const recorded: readonly RecordedPositions[] = JSON.parse(
  readFileSync(
    fileURLToPath(new URL("../../../reference/data/families/qwen3-vl/tables.json", import.meta.url)),
    "utf8",
  ),
);

const configOf = (positions: number, spatialMergeSize: number) =>
  ({ vision: { positions, spatialMergeSize, hiddenSize: 16, heads: 2 } }) as Qwen3VlConfig;

function tablesOf(grid: Grid, positions: number, spatialMergeSize: number) {
  const tables = visionTables(grid, configOf(positions, spatialMergeSize));
  return { positions: tables.positions!.data as BigInt64Array, shares: tables.shares!.data as Float32Array };
}

describe("the learned positions of patches", () => {
  it.each(recorded)("are to the bit those of transformers for grid $grid on $side positions a side", (example) => {
    const { grid, side, spatialMergeSize, step, indices, weights } = example;
    const { positions, shares } = tablesOf(grid, side ** 2, spatialMergeSize);
    for (const [i, expected] of indices.entries()) {
      const at = 4 * i * step;
      expect(Array.from(positions.subarray(at, at + 4), Number)).toEqual(expected);
      expect(Array.from(shares.subarray(at, at + 4))).toEqual(weights[i]);
    }
    expect(sha256(positions, shares)).toBe(example.sha256);
  });

  it("are shared out whole", () => {
    const { shares } = tablesOf([1, 14, 22], 2304, 2);
    for (let i = 0; i < shares.length; i += 4)
      expect(shares[i]! + shares[i + 1]! + shares[i + 2]! + shares[i + 3]!).toBeCloseTo(1, 6);
  });

  it("are the learned ones themselves for as many patches as there are positions", () => {
    const { positions, shares } = tablesOf([1, 6, 6], 36, 1);
    for (let i = 0; i < 36; i++) {
      expect(shares[4 * i]).toBe(1);
      expect(positions[4 * i]).toBe(BigInt(i));
    }
  });

  it("leave out what a table has beyond a square", () => {
    expect(tablesOf([1, 4, 6], 30, 2)).toEqual(tablesOf([1, 4, 6], 25, 2));
  });
});
