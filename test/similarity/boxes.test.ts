import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { boxIou, convertBox, detectionSimilarity, matchBoxes } from "../../src/similarity/boxes";
import type { Box, BoxSpace } from "../../src/types";

const box = (x: number, y: number, width: number, height: number, space: BoxSpace = "thousand"): Box => ({
  space,
  x,
  y,
  width,
  height,
});

const coordinate = fc.integer({ min: 0, max: 40 });
const length = fc.integer({ min: 1, max: 30 });
const anyBox = fc.tuple(coordinate, coordinate, length, length).map((numbers) => box(...numbers));
const boxes = (maxLength: number) => fc.array(anyBox, { maxLength });

describe("boxIou", () => {
  it("is 1 for a box and itself, the same both ways, and within [0, 1]", () => {
    const real = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    const realBox = fc.tuple(real, real, real, real).map((numbers) => box(...numbers));
    fc.assert(
      fc.property(realBox, realBox, (a, b) => {
        expect(boxIou(a, a)).toBe(1);
        expect(boxIou(a, b)).toBe(boxIou(b, a));
        expect(boxIou(a, b)).toBeGreaterThanOrEqual(0);
        expect(boxIou(a, b)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("has the values counted on squared paper", () => {
    expect(boxIou(box(0, 0, 2, 2), box(1, 1, 2, 2))).toBeCloseTo(1 / 7, 12);
    expect(boxIou(box(0, 0, 4, 4), box(0, 0, 2, 2))).toBe(0.25);
    expect(boxIou(box(0, 0, 2, 2), box(2, 0, 2, 2))).toBe(0);
    expect(boxIou(box(0, 0, 2, 2), box(5, 5, 2, 2))).toBe(0);
  });

  it("is 0 for boxes without area or with coordinates that are not numbers", () => {
    expect(boxIou(box(0, 0, 0, 2), box(0, 0, 0, 2))).toBe(0);
    expect(boxIou(box(Number.NaN, 0, 2, 2), box(0, 0, 2, 2))).toBe(0);
    expect(boxIou(box(0, 0, Number.POSITIVE_INFINITY, 2), box(0, 0, 2, 2))).toBe(0);
    expect(boxIou(box(0, 0, 1e300, 1e300), box(0, 0, 1e300, 1e300))).toBe(0);
  });

  it("is 0 where an area is more or less than numbers can hold", () => {
    expect(boxIou(box(0, 0, 1e200, 1e200), box(0, 0, 2, 2))).toBe(0);
    expect(boxIou(box(0, 0, 1e-200, 1e-200), box(0, 0, 1e-200, 1e-200))).toBe(0);
  });

  it("refuses to compare boxes of two spaces, and names both", () => {
    expect(() => boxIou(box(0, 0, 1, 1), box(0, 0, 1, 1, "pixel"))).toThrow(ConfigError);
    expect(() => boxIou(box(0, 0, 1, 1), box(0, 0, 1, 1, "pixel"))).toThrow(/"thousand" and "pixel"/);
  });
});

describe("matchBoxes", () => {
  /** The largest total IoU over every way to match, by trying them all. */
  function bestTotal(truth: readonly Box[], prediction: readonly Box[]): number {
    const [first, ...rest] = truth;
    if (!first) return 0;
    const choices = prediction.map((one, i) => boxIou(first, one) + bestTotal(rest, prediction.toSpliced(i, 1)));
    return Math.max(bestTotal(rest, prediction), ...choices);
  }

  it("reaches the largest total IoU that trying every matching finds", () => {
    fc.assert(
      fc.property(boxes(4), boxes(6), (a, b) => {
        for (const [truth, prediction] of [
          [a, b],
          [b, a],
        ] as const) {
          const matched = matchBoxes(truth, prediction).reduce((sum, { iou }) => sum + iou, 0);
          const best = truth.length <= prediction.length ? bestTotal(truth, prediction) : bestTotal(prediction, truth);
          expect(matched).toBeCloseTo(best, 9);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("uses every box once at most, only for overlaps, in the order of the truth", () => {
    fc.assert(
      fc.property(boxes(12), boxes(12), (truth, prediction) => {
        const matches = matchBoxes(truth, prediction);
        expect(new Set(matches.map((match) => match.prediction)).size).toBe(matches.length);
        expect(matches.map((match) => match.truth)).toEqual(
          [...new Set(matches.map((match) => match.truth))].sort((a, b) => a - b),
        );
        for (const match of matches) {
          expect(match.iou).toBeGreaterThan(0);
          expect(match.iou).toBe(boxIou(truth[match.truth]!, prediction[match.prediction]!));
        }
      }),
    );
  });

  it("gives up the best single pair for the best total", () => {
    // Greedy takes 0–0 (IoU 0.9) and leaves 1 with nothing.
    const truth = [box(0, 0, 10, 10), box(0, 0, 9, 10)];
    const prediction = [box(0, 0, 9, 10), box(0, 0, 12, 10)];
    expect(matchBoxes(truth, prediction).map((match) => [match.truth, match.prediction])).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it("matches nothing with nothing, and nothing to NaN", () => {
    expect(matchBoxes([], [box(0, 0, 1, 1)])).toEqual([]);
    expect(matchBoxes([box(0, 0, 1, 1)], [])).toEqual([]);
    expect(matchBoxes([box(0, 0, 1, 1)], [box(Number.NaN, 0, 1, 1)])).toEqual([]);
  });

  it("stays quick on hundreds of copies of one box", () => {
    const truth = Array.from({ length: 5 }, (_, i) => box(i, 0, 20, 20));
    const prediction = Array.from({ length: 600 }, (_, i) => box(i % 7, 0, 20, 20));
    const start = performance.now();
    expect(matchBoxes(truth, prediction).map(({ iou }) => iou)).toEqual([1, 1, 1, 1, 1]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("detectionSimilarity", () => {
  const [a, b, far] = [box(0, 0, 10, 10), box(50, 50, 10, 10), box(90, 90, 5, 5)];

  it("is 1 for the truth in any order, and within [0, 1]", () => {
    fc.assert(
      fc.property(boxes(8), boxes(8), (truth, prediction) => {
        for (const denominator of ["truth", "predicted", "max"] as const) {
          expect(detectionSimilarity(truth, [...truth].reverse(), { denominator })).toBe(1);
          const s = detectionSimilarity(truth, prediction, { denominator });
          expect(s).toBeGreaterThanOrEqual(0);
          expect(s).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("divides by the ground truth as the paper prints it: a box too many is free, a missed one is not", () => {
    expect(detectionSimilarity([a, b], [b, a, far])).toBe(1);
    expect(detectionSimilarity([a, b], [a])).toBe(0.5);
  });

  it("divides by the predictions, or by the larger number, when told to", () => {
    expect(detectionSimilarity([a, b], [a], { denominator: "predicted" })).toBe(1);
    expect(detectionSimilarity([a, b], [a, b, far], { denominator: "predicted" })).toBeCloseTo(2 / 3, 12);
    expect(detectionSimilarity([a, b], [a], { denominator: "max" })).toBe(0.5);
    expect(detectionSimilarity([a, b], [a, b, far], { denominator: "max" })).toBeCloseTo(2 / 3, 12);
  });

  it("refuses an unknown denominator", () => {
    expect(() => detectionSimilarity([a], [a], { denominator: "iou" as "max" })).toThrow(
      new ConfigError('detectionSimilarity: expected denominator to be one of truth, predicted, max, got "iou"'),
    );
  });

  it("rewards finding nothing only where there is nothing", () => {
    for (const denominator of ["truth", "predicted", "max"] as const) {
      expect(detectionSimilarity([], [], { denominator })).toBe(1);
      expect(detectionSimilarity([], [a], { denominator })).toBe(0);
      expect(detectionSimilarity([a], [], { denominator })).toBe(0);
    }
  });
});

describe("convertBox", () => {
  const size = { width: 640, height: 480 };

  it("converts by hand-checkable numbers", () => {
    expect(convertBox(box(64, 48, 320, 240, "pixel"), "unit", size)).toEqual(box(0.1, 0.1, 0.5, 0.5, "unit"));
    expect(convertBox(box(64, 48, 320, 240, "pixel"), "thousand", size)).toEqual(box(100, 100, 500, 500));
    expect(convertBox(box(100, 100, 500, 500), "pixel", size)).toEqual(box(64, 48, 320, 240, "pixel"));
    expect(convertBox(box(0.25, 0.5, 0.5, 0.25, "unit"), "pixel", size)).toEqual(box(160, 240, 320, 120, "pixel"));
  });

  it("leaves a box alone that is already there", () => {
    const same = box(1.5, 2.5, 3.5, 4.5);
    expect(convertBox(same, "thousand", size)).toBe(same);
  });

  it("comes back from the unit space to the same pixels", () => {
    const real = fc.double({ min: 0, max: 400, noNaN: true });
    fc.assert(
      fc.property(real, real, real, real, (...numbers) => {
        const there = convertBox(box(...numbers, "pixel"), "unit", size);
        const back = convertBox(there, "pixel", size);
        for (const [i, key] of (["x", "y", "width", "height"] as const).entries())
          expect(back[key]).toBeCloseTo(numbers[i]!, 6);
      }),
    );
  });

  it("writes thousandths as integers inside the image, never without area", () => {
    const real = fc.double({ min: -50, max: 700, noNaN: true });
    fc.assert(
      fc.property(real, real, real, real, (x, y, w, h) => {
        const to = convertBox(box(x, y, Math.abs(w), Math.abs(h), "pixel"), "thousand", size);
        expect([to.x, to.y, to.width, to.height].every(Number.isInteger)).toBe(true);
        expect(Math.min(to.x, to.y)).toBeGreaterThanOrEqual(0);
        expect(Math.min(to.width, to.height)).toBeGreaterThanOrEqual(1);
        expect(Math.max(to.x + to.width, to.y + to.height)).toBeLessThanOrEqual(1000);
      }),
    );
  });

  it("rounds corners to the next thousandth, not sizes: (1.56, 2.08) to (4.69, 4.17)", () => {
    expect(convertBox(box(1, 1, 2, 1, "pixel"), "thousand", size)).toEqual(box(2, 2, 3, 2));
  });

  it("cuts what lies outside the image, and leaves one thousandth", () => {
    expect(convertBox(box(-64, -48, 128, 96, "pixel"), "thousand", size)).toEqual(box(0, 0, 100, 100));
    expect(convertBox(box(640, 480, 10, 10, "pixel"), "thousand", size)).toEqual(box(999, 999, 1, 1));
    expect(convertBox(box(64, 48, 0.1, 0.1, "pixel"), "thousand", size)).toEqual(box(100, 100, 1, 1));
  });

  it("refuses an image without size, and takes one of a single pixel", () => {
    expect(() => convertBox(box(0, 0, 1, 1), "pixel", { width: 0, height: 480 })).toThrow(/0×480/);
    expect(() => convertBox(box(0, 0, 1, 1), "pixel", { width: 640, height: 0 })).toThrow(/640×0/);
    const whole = convertBox(box(0, 0, 1, 1, "pixel"), "thousand", { width: 1, height: 1 });
    expect(whole).toEqual(box(0, 0, 1000, 1000));
  });

  it("refuses an unknown space on either side", () => {
    const pixels = "pixels" as "pixel";
    const message = /space.* to be one of unit, thousand, pixel, got "pixels"/;
    expect(() => convertBox(box(0, 0, 1, 1), pixels, size)).toThrow(ConfigError);
    expect(() => convertBox(box(0, 0, 1, 1), pixels, size)).toThrow(message);
    expect(() => convertBox(box(0, 0, 1, 1, pixels), "unit", size)).toThrow(message);
    expect(() => convertBox(box(0, 0, 1, 1, pixels), pixels, size)).toThrow(message);
    expect(() => convertBox(box(0, 0, 1, 1), "toString" as "pixel", size)).toThrow(ConfigError);
  });
});
