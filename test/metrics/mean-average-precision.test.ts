import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors";
import { meanAveragePrecision, weightedAveragePrecision } from "../../src/metrics/mean-average-precision";
import { meanIou, meanPolygonIou } from "../../src/metrics/mean-iou";
import type { Box, Polygon } from "../../src/types";
import reference from "./fixtures/coco-eval.json";

const box = (x: number, y: number, width: number, height: number): Box => ({ space: "thousand", x, y, width, height });
const [a, b, far] = [box(0, 0, 100, 100), box(300, 300, 100, 100), box(800, 800, 50, 50)];

describe("meanAveragePrecision", () => {
  it("is 1 for the truth itself, in any order", () => {
    const one = fc
      .tuple(fc.nat(900), fc.nat(900), fc.nat(90), fc.nat(90))
      .map(([x, y, w, h]) => box(x, y, w + 1, h + 1));
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(one, { selector: (o) => JSON.stringify(o), maxLength: 5 }), { minLength: 1 }),
        (images) => {
          if (images.flat().length === 0) return;
          const { ap, ap50 } = meanAveragePrecision(
            images.map((truth) => ({ truth, prediction: [...truth].reverse() })),
          );
          expect(ap50).toBeCloseTo(1, 12);
          expect(ap).toBeCloseTo(1, 12);
        },
      ),
    );
  });

  it("has the values worked out by hand", () => {
    // One of two found, nothing wrong: recall ½ at precision 1 covers 51 of 101 recalls.
    expect(meanAveragePrecision([{ truth: [a, b], prediction: [a] }]).ap50).toBeCloseTo(51 / 101, 12);
    // A wrong box ranked first: precision ½ at recall 1.
    expect(meanAveragePrecision([{ truth: [a], prediction: [far, a] }]).ap50).toBeCloseTo(0.5, 12);
    // A wrong box ranked last costs nothing.
    expect(meanAveragePrecision([{ truth: [a], prediction: [a, far] }]).ap50).toBeCloseTo(1, 12);
    // The same box twice: the second finds its ground truth taken, but comes last.
    expect(meanAveragePrecision([{ truth: [a, b], prediction: [a, a, b] }]).ap50).toBeCloseTo(
      (51 + 50 * (2 / 3)) / 101,
      12,
    );
  });

  it("at IoU 0.6 counts for the thresholds 0.50, 0.55 and 0.60", () => {
    const { ap50, ap } = meanAveragePrecision([{ truth: [a], prediction: [box(0, 0, 60, 100)] }]);
    expect(ap50).toBe(1);
    expect(ap).toBeCloseTo(0.3, 12);
  });

  it("matches a box with the ground truth that it overlaps most, and leaves the other for the next box", () => {
    const truth = [box(0, 0, 100, 100), box(20, 0, 100, 100)];
    // IoUs of the first box with both: 1 and 2/3; of the second: 55/145 and 0.6.
    const prediction = [box(0, 0, 100, 100), box(45, 0, 100, 100)];
    for (const order of [truth, truth.toReversed()])
      expect(meanAveragePrecision([{ truth: order, prediction }]).ap50).toBe(1);
  });

  it("ranks across images by place in the answer, then by area", () => {
    // Second image's wrong box is smaller than the first's right one, so it comes after it.
    expect(
      meanAveragePrecision([
        { truth: [a], prediction: [a] },
        { truth: [], prediction: [far] },
      ]).ap50,
    ).toBe(1);
    expect(
      meanAveragePrecision([
        { truth: [far], prediction: [far] },
        { truth: [], prediction: [a] },
      ]).ap50,
    ).toBe(0.5);
    expect(
      meanAveragePrecision([
        { truth: [far], prediction: [far] },
        { truth: [far], prediction: [far, a] },
      ]).ap50,
    ).toBe(1);
  });

  it("counts an answer that does not parse as nothing found", () => {
    expect(
      meanAveragePrecision([
        { truth: [a], prediction: [a] },
        { truth: [b], prediction: null },
      ]).ap50,
    ).toBeCloseTo(51 / 101, 12);
    expect(meanAveragePrecision([{ truth: [a], prediction: null }])).toMatchObject({ ap: 0, ap50: 0 });
  });

  it("averages over categories, leaving out those without ground truth", () => {
    const { ap50, categories } = meanAveragePrecision([
      { truth: [a], prediction: [a], category: "cat" },
      { truth: [a], prediction: [far], category: "dog" },
      { truth: [], prediction: [far], category: "mug" },
    ]);
    expect(ap50).toBe(0.5);
    expect(categories).toEqual({ cat: { ap: 1, ap50: 1 }, dog: { ap: 0, ap50: 0 } });
  });

  it("leaves out, of a resample, the categories whose ground truth is not drawn", () => {
    const drawn = weightedAveragePrecision(
      [
        { truth: [a], prediction: [a], category: "cat" },
        { truth: [a], prediction: [far], category: "dog" },
      ],
      "ap50",
    );
    expect([
      drawn(Uint32Array.of(1, 1)),
      drawn(Uint32Array.of(2, 0)),
      drawn(Uint32Array.of(0, 2)),
      drawn(Uint32Array.of(0, 0)),
    ]).toEqual([0.5, 1, 0, Number.NaN]);
  });

  it("reads at most a hundred boxes of an answer", () => {
    const late = [...Array<Box>(100).fill(far), a];
    expect(meanAveragePrecision([{ truth: [a], prediction: late }]).ap50).toBe(0);
  });

  it("counts a box inside a crowd neither way, however many there are, and a match before a crowd", () => {
    const crowd = box(500, 500, 400, 400);
    const inside = box(600, 600, 50, 50);
    const score = (prediction: Box[], crowds: Box[]) => meanAveragePrecision([{ truth: [a], crowds, prediction }]).ap50;
    expect(score([inside, inside, a], [crowd])).toBeCloseTo(1, 12);
    expect(score([inside, inside, a], [])).toBeCloseTo(1 / 3, 12);
    // Less than half of it lies inside.
    expect(score([box(400, 600, 150, 50), a], [crowd])).toBeCloseTo(0.5, 12);
    expect(score([a], [box(0, 0, 999, 999)])).toBeCloseTo(1, 12);
    expect(() => score([far], [{ ...crowd, space: "pixel" }])).toThrow(ConfigError);
  });

  it("needs ground truth", () => {
    expect(() => meanAveragePrecision([])).toThrow(DataError);
    expect(() => meanAveragePrecision([{ truth: [], prediction: [a] }])).toThrow(DataError);
  });

  // The fixture is made by fixtures/coco-eval.py with pycocotools 2.0.11.
  it.each(reference.cases.map(({ rows, expected }) => [rows.length, rows, expected] as const))(
    "agrees with pycocotools on %i random examples",
    (_count, rows, expected) => {
      const boxes = (numbers: readonly (readonly number[])[]) => numbers.map(([x, y, w, h]) => box(x!, y!, w!, h!));
      const found = meanAveragePrecision(
        rows.map(({ category, truth, prediction }) => ({
          category,
          truth: boxes(truth),
          prediction: boxes(prediction),
        })),
      );
      expect(found.ap50).toBeCloseTo(expected.ap50, 9);
      expect(found.ap).toBeCloseTo(expected.ap, 9);
      for (const [name, { ap, ap50 }] of Object.entries(expected.categories)) {
        // pycocotools writes −1 where there is no ground truth.
        if (ap < 0) expect(found.categories).not.toHaveProperty(name);
        else expect(found.categories[name]).toEqual({ ap: expect.closeTo(ap, 9), ap50: expect.closeTo(ap50, 9) });
      }
    },
  );
});

describe("meanIou", () => {
  it("averages matched IoU per box, so that neither a missed box nor one too many is free", () => {
    expect(meanIou([{ truth: [a], prediction: [a] }])).toBe(1);
    expect(meanIou([{ truth: [a], prediction: [a, far] }])).toBe(0.5);
    expect(meanIou([{ truth: [a, b], prediction: [a] }])).toBe(0.5);
    expect(meanIou([{ truth: [a], prediction: [box(0, 0, 50, 100)] }])).toBe(0.5);
  });

  it("counts an answer that does not parse as 0", () => {
    expect(
      meanIou([
        { truth: [a], prediction: [a] },
        { truth: [a], prediction: null },
      ]),
    ).toBe(0.5);
    expect(() => meanIou([])).toThrow(DataError);
  });
});

describe("meanPolygonIou", () => {
  it("averages matched IoU per outline, a missed one and one too many as 0", () => {
    const square = (x: number): Polygon => ({
      space: "thousand",
      points: [
        [x, 0],
        [x + 10, 0],
        [x + 10, 10],
        [x, 10],
      ],
    });
    const outcomes = [
      { truth: [square(0)], prediction: [square(0), square(50)] },
      { truth: [square(0)], prediction: [square(5)] },
      { truth: [square(0)], prediction: null },
    ];
    expect(meanPolygonIou(outcomes)).toBeCloseTo((1 / 2 + 1 / 3 + 0) / 3, 14);
  });
});
