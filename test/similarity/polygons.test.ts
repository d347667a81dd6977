import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { boxIou } from "../../src/similarity/boxes";
import { overlapArea } from "../../src/similarity/overlap";
import { area, isSimple, polygonIou, segmentationSimilarity } from "../../src/similarity/polygons";
import type { BoxSpace, Point, Polygon } from "../../src/types";
import { polygonCases } from "../reference/polygons/cases";
import { ious, recordedPairs } from "../reference/polygons/live";

// Recorded by test/reference/polygons/peers.py: Shapely 2.1.2.
const recorded: { readonly iou: readonly number[] } = JSON.parse(
  await readFile(new URL("../reference/polygons/peers.json", import.meta.url), "utf8"),
);

const polygon = (points: readonly Point[], space: BoxSpace = "thousand"): Polygon => ({ space, points });
const rectangle = (x: number, y: number, width: number, height: number) =>
  polygon([
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ]);
const pairs = fc.nat(1e6).map((seed) => {
  const [[a, b]] = polygonCases(seed, 1) as [readonly [readonly Point[], readonly Point[]]];
  return [polygon(a), polygon(b)] as const;
});

describe("polygonIou", () => {
  it("is Shapely's of random pairs, to 1e-9", () => {
    expect(recorded.iou).toHaveLength(recordedPairs);
    ious(polygonCases(0, recordedPairs)).forEach((iou, i) => {
      expect(Math.abs(iou - recorded.iou[i]!), `pair ${i}`).toBeLessThan(1e-9);
    });
  });

  it("equals the IoU of boxes when the polygons are boxes", () => {
    const side = fc.integer({ min: 1, max: 300 });
    const box = fc.tuple(side, side, side, side);
    fc.assert(
      fc.property(box, box, (a, b) => {
        const asBox = ([x, y, width, height]: typeof a) => ({ space: "thousand" as const, x, y, width, height });
        expect(polygonIou(rectangle(...a), rectangle(...b))).toBeCloseTo(boxIou(asBox(a), asBox(b)), 12);
      }),
    );
  });

  it("is symmetric, between 0 and 1, and the same whichever corner comes first and whichever way round", () => {
    fc.assert(
      fc.property(pairs, fc.nat(9), ([a, b], shift) => {
        const iou = polygonIou(a, b);
        expect(iou).toBeGreaterThanOrEqual(0);
        expect(iou).toBeLessThanOrEqual(1);
        expect(polygonIou(b, a)).toBeCloseTo(iou, 12);
        const by = shift % a.points.length;
        const turned = [...a.points.slice(by), ...a.points.slice(0, by)].reverse();
        expect(polygonIou(polygon(turned), b)).toBeCloseTo(iou, 12);
      }),
      { numRuns: 50 },
    );
  });

  it("needs no outline of the intersection to close: coordinates on which a polygon clipper gives up", () => {
    const kite = polygon([
      [449, 952],
      [226, 650],
      [182, 542],
    ]);
    const sliver = polygon([
      [42, 958],
      [783, 815],
      [274, 786],
      [184, 516],
    ]);
    // Shapely 2.2.0.
    expect(polygonIou(kite, sliver)).toBeCloseTo(0.016898035651118373, 12);
  });

  it("is 1 with itself, 0 beside a neighbour that shares an edge, and 1/5 of two L-shapes that share a square", () => {
    const left = rectangle(0, 0, 10, 10);
    expect(polygonIou(left, left)).toBe(1);
    expect(polygonIou(left, rectangle(10, 0, 10, 10))).toBe(0);
    // Three unit squares each, one of them shared: 1 of 5.
    const first = polygon([
      [0, 0],
      [2, 0],
      [2, 1],
      [1, 1],
      [1, 2],
      [0, 2],
    ]);
    const second = polygon([
      [1, 0],
      [3, 0],
      [3, 2],
      [2, 2],
      [2, 1],
      [1, 1],
    ]);
    expect(polygonIou(first, second)).toBeCloseTo(1 / 5, 14);
  });

  it("compares no polygons of different spaces", () => {
    expect(() => polygonIou(rectangle(0, 0, 1, 1), { ...rectangle(0, 0, 1, 1), space: "pixel" })).toThrow(ConfigError);
  });
});

describe("overlapArea", () => {
  /** Few places for many corners, so that corners lie on edges and edges on edges. */
  const place = fc.tuple(fc.nat(5), fc.nat(5));
  const crowded = fc.array(place, { minLength: 3, maxLength: 7 }).filter(isSimple);

  it("is a polygon's own area where the other encloses it, and the sum of its parts where it is cut in two", () => {
    fc.assert(
      fc.property(crowded, fc.nat(5), (points, at) => {
        const whole = area(points);
        expect(overlapArea(points, rectangle(-1, -1, 9, 9).points)).toBeCloseTo(whole, 12);
        const [left, right] = [rectangle(-1, -1, at + 1, 9), rectangle(at, -1, 9, 9)];
        const [below, above] = [rectangle(-1, -1, 9, at + 1), rectangle(-1, at, 9, 9)];
        expect(overlapArea(points, left.points) + overlapArea(points, right.points)).toBeCloseTo(whole, 12);
        expect(overlapArea(points, below.points) + overlapArea(points, above.points)).toBeCloseTo(whole, 12);
      }),
    );
  });

  it("is at most either's area, whole with a copy that starts elsewhere, and the same with x and y swapped", () => {
    fc.assert(
      fc.property(crowded, crowded, (a, b) => {
        const common = overlapArea(a, b);
        expect(common).toBeLessThanOrEqual(Math.min(area(a), area(b)) + 1e-12);
        expect(overlapArea(a, [...a.slice(1), a[0]!].reverse())).toBeCloseTo(area(a), 12);
        const swapped = ([x, y]: Point): Point => [y, x];
        expect(overlapArea(a.map(swapped), b.map(swapped))).toBeCloseTo(common, 12);
      }),
      { numRuns: 500 },
    );
  });
});

describe("segmentationSimilarity", () => {
  it("matches outlines, and divides by those that are true", () => {
    const truth = [rectangle(0, 0, 10, 10), rectangle(100, 100, 10, 10)];
    expect(segmentationSimilarity(truth, [rectangle(100, 100, 10, 20)])).toBeCloseTo(0.25, 14);
    expect(segmentationSimilarity(truth, [...truth, rectangle(500, 500, 9, 9)])).toBe(1);
    expect(segmentationSimilarity(truth, [...truth, rectangle(500, 500, 9, 9)], { denominator: "max" })).toBeCloseTo(
      2 / 3,
      14,
    );
    expect([segmentationSimilarity([], []), segmentationSimilarity(truth, [])]).toEqual([1, 0]);
  });
});

describe("a simple polygon", () => {
  it.each<[string, Point[], boolean]>([
    [
      "a triangle",
      [
        [0, 0],
        [4, 0],
        [0, 3],
      ],
      true,
    ],
    [
      "a corner on a straight edge",
      [
        [0, 0],
        [2, 0],
        [4, 0],
        [0, 3],
      ],
      true,
    ],
    [
      "a bow tie",
      [
        [0, 0],
        [4, 4],
        [4, 0],
        [0, 4],
      ],
      false,
    ],
    [
      "two corners",
      [
        [0, 0],
        [4, 4],
      ],
      false,
    ],
    [
      "a line",
      [
        [0, 0],
        [2, 2],
        [4, 4],
      ],
      false,
    ],
    [
      "an edge run back over",
      [
        [0, 0],
        [4, 0],
        [2, 0],
        [2, 3],
      ],
      false,
    ],
    [
      "a corner on another edge",
      [
        [0, 0],
        [4, 0],
        [4, 4],
        [2, 0],
        [0, 4],
      ],
      false,
    ],
    [
      "a repeated corner",
      [
        [0, 0],
        [4, 0],
        [4, 0],
        [0, 3],
      ],
      false,
    ],
  ])("%s", (_what, points, simple) => {
    expect(isSimple(points)).toBe(simple);
  });

  it("has its area whichever way round and wherever it lies", () => {
    expect(
      area([
        [0, 0],
        [4, 0],
        [0, 3],
      ]),
    ).toBe(6);
    expect(
      area([
        [1e6, 1e6],
        [1e6, 1e6 + 3],
        [1e6 + 4, 1e6],
      ]),
    ).toBe(6);
  });
});
