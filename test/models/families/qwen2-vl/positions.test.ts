import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../../src/errors";
import { loadConfig } from "../../../../src/models/families/qwen2-vl/config";
import { frequencyAxes } from "../../../../src/models/parts/decoder";
import {
  type Grid,
  mropeTables,
  patchOrder,
  ropePositions,
  visionRotaryTables,
} from "../../../../src/models/parts/positions";
import { checkpointDir, largestError, reference, referenceArrays } from "../../reference";

const config = await loadConfig(checkpointDir);
const { text, tokens: special, vision } = config;
const images = { imageToken: special.image, mergeSize: vision.spatialMergeSize };
const arrays = await referenceArrays();

describe("rotary positions", () => {
  it("of text count up along all three axes", () => {
    const { t, h, w, next } = ropePositions([5, 6, 7], [], images);
    for (const axis of [t, h, w]) expect([...axis]).toEqual([0, 1, 2]);
    expect(next).toBe(3);
  });

  it("of a picture are its merged rows and columns, and text continues after the larger", () => {
    const picture = Array<number>(6).fill(special.image);
    const { t, h, w, next } = ropePositions([5, ...picture, 6], [[1, 4, 6]], images);
    expect([...t]).toEqual([0, 1, 1, 1, 1, 1, 1, 4]);
    expect([...h]).toEqual([0, 1, 1, 1, 2, 2, 2, 4]);
    expect([...w]).toEqual([0, 1, 2, 3, 1, 2, 3, 4]);
    expect(next).toBe(5);
  });

  it.each(reference.cases)("are transformers' for $name", ({ ids, completionIds, grids, positions, next }) => {
    const found = ropePositions([...ids, ...completionIds], grids, images);
    expect([found.t, found.h, found.w].map((axis) => [...axis])).toEqual(positions);
    expect(found.next).toBe(next);
  });

  it("need exactly the image tokens of the pictures", () => {
    const four = Array<number>(4).fill(special.image);
    const grid: Grid = [1, 4, 4];
    expect(() => ropePositions([1, ...four, 2], [], images)).toThrow(ShapeError);
    expect(() => ropePositions([1, 2], [grid], images)).toThrow(ShapeError);
    expect(() => ropePositions([1, ...four.slice(1), 2], [grid], images)).toThrow(
      "expected 4 image tokens from place 1",
    );
  });
});

describe("rotary tables", () => {
  it("of text with three sections are plain rotary embedding", () => {
    const at = Int32Array.of(0, 1, 7);
    const { cos, sin } = mropeTables({ t: at, h: at, w: at }, 8, 100, [0, 0, 1, 2]);
    const angle = (i: number, k: number) => at[i]! * 100 ** (-k / 4);
    const expected = Array.from({ length: 12 }, (_, i) => angle(Math.floor(i / 4), i % 4));
    expect(largestError(cos, expected.map(Math.cos))).toBeLessThan(1e-6);
    expect(largestError(sin, expected.map(Math.sin))).toBeLessThan(1e-6);
  });

  it("give the first frequencies to time, the next to height, the last to width", () => {
    const axes = { t: Int32Array.of(1), h: Int32Array.of(2), w: Int32Array.of(3) };
    const { sin } = mropeTables(axes, 6, 1, [0, 1, 2]);
    expect([...sin]).toEqual([Math.sin(1), Math.sin(2), Math.sin(3)].map(Math.fround));
  });

  it.each(reference.cases)("are transformers' for $name", ({ name, positions: [t, h, w] }) => {
    const axes = { t: Int32Array.from(t!), h: Int32Array.from(h!), w: Int32Array.from(w!) };
    const { cos, sin } = mropeTables(axes, text.headDim, text.ropeTheta, frequencyAxes(text.mropeSection, false));
    expect(largestError(cos, arrays.get(`${name}/cos`)!.data)).toBeLessThan(2e-7);
    expect(largestError(sin, arrays.get(`${name}/sin`)!.data)).toBeLessThan(2e-7);
  });

  it.each(reference.cases.filter(({ grids }) => grids.length > 0))(
    "of the vision tower are transformers' for $name",
    ({ name, grids }) => {
      const found = grids.map((grid) =>
        visionRotaryTables(grid, vision.embedDim / vision.heads, vision.spatialMergeSize),
      );
      const all = (key: "cos" | "sin") => found.flatMap((tables) => [...tables[key]]);
      expect(largestError(all("cos"), arrays.get(`${name}/visionCos`)!.data)).toBeLessThan(2e-7);
      expect(largestError(all("sin"), arrays.get(`${name}/visionSin`)!.data)).toBeLessThan(2e-7);
    },
  );
});

describe("the order of patches", () => {
  it("keeps the four that are merged together", () => {
    const expected = ["0,0 0,1 1,0 1,1", "0,2 0,3 1,2 1,3"].join(" ");
    expect(
      patchOrder(2, 4, 2)
        .map((place) => place.join())
        .join(" "),
    ).toBe(expected);
  });

  it("visits every patch once", () => {
    const places = patchOrder(6, 4, 2).map(([row, column]) => row * 4 + column);
    expect([...places].sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i));
  });
});
