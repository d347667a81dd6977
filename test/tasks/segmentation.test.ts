import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import { segmentation } from "../../src/tasks/segmentation";
import { readPolygons } from "../../src/tasks/text/polygon-text";
import type { Point, Polygon } from "../../src/types";
import { polygonCases } from "../reference/polygons/cases";
import { polygonAnswers } from "./answers";
import { describeTaskContract, promptText } from "./contract";

const outline = (...points: readonly Point[]): Polygon => ({ space: "thousand", points });
const polygon = fc.nat(1e6).map((seed) => outline(...polygonCases(seed, 1)[0]![0]));
const inFractions = polygon.map(
  ({ points }): Polygon => ({
    space: "unit",
    points: points.map(([x, y]): Point => [x / 1000, y / 1000]),
  }),
);

const answers = polygonAnswers.map(([, text]) => text);
describeTaskContract("segmentation", {
  task: segmentation({ target: "leaf" }),
  strict: segmentation({ target: "leaf", reading: "strict" }),
  annotation: fc.array(polygon, { maxLength: 2 }),
  answers,
});
describeTaskContract("segmentation in fractions, max(N_g, N_pred)", {
  task: segmentation({ space: "unit", similarity: "max" }),
  strict: segmentation({ space: "unit", similarity: "max", reading: "strict" }),
  annotation: fc.array(inFractions, { maxLength: 2 }),
  answers,
});

describe("readPolygons", () => {
  it.each(polygonAnswers.map(([why, text, expected, repairs = []]) => ({ why, text, expected, repairs })))(
    "$why: $text",
    ({ text, expected, repairs }) => {
      const read = readPolygons(text, "thousand");
      expect(read?.value ?? null).toEqual(expected?.map((points) => outline(...points)) ?? null);
      if (read) expect([...read.repairs].sort()).toEqual(repairs);
    },
  );

  it("reads no more corners than an answer can hold", () => {
    const corners = (count: number) => {
      const points = Array.from({ length: count }, (_, i) => {
        const angle = (i / count) * 2 * Math.PI;
        return `[${(500 + 400 * Math.cos(angle)).toFixed(3)}, ${(500 + 400 * Math.sin(angle)).toFixed(3)}]`;
      });
      return readPolygons(`[[${points.join(", ")}]]`, "thousand");
    };
    expect(corners(1000)?.value?.map(({ points }) => points.length)).toEqual([1000]);
    expect(corners(1001)).toMatchObject({
      value: null,
      problem: "outlines have 1001 corners in all, and at most 1000 are read",
    });
  });
});

describe("segmentation", () => {
  it("asks for outlines, in words and by their form", () => {
    const prompt = promptText(
      segmentation({ target: "leaf" }).answerPrompt({ id: "1", image: "a.png", annotation: [] }),
    );
    expect(prompt).toContain("Find in the image: leaf.");
    expect(prompt).toContain("<answer>[[[x, y], [x, y], [x, y], ...], ...]</answer>: an outline for each");
  });

  it.each<[string, Polygon, RegExp]>([
    [
      "another space",
      {
        space: "pixel",
        points: [
          [0, 0],
          [9, 0],
          [0, 9],
        ],
      },
      /polygon 0 of row 7: expected the task's space "thousand", got "pixel"/,
    ],
    ["a corner outside", outline([0, 0], [1200, 0], [0, 9]), /within 0 … 1000, got \[1200, 0\]/],
    [
      "no number",
      outline([0, 0], [Number.NaN, 0], [0, 9]),
      /polygon 0 of row 7: expected points \[x, y\] of two finite numbers, got \[NaN, 0\] as number 1$/,
    ],
    ["numbers that are text", outline(["100", "100"] as never, [9, 0], [0, 9]), /got \["100", "100"\] as number 0$/],
    ["points of three numbers", outline([9, 0], [0, 9, 1] as never, [9, 9]), /got \[0, 9, 1\] as number 1$/],
    ["points with names", outline({ x: 1, y: 1 } as never), /\[x, y\] of two .* got \{"x":1,"y":1\} as number 0$/],
    ["a point that is null", outline([0, 0], null as never), /got null as number 1$/],
    [
      "COCO's flat list",
      outline(...([1, 1, 100, 1, 100, 100] as never[])),
      /got 1 as number 0; write COCO's flat list \[x, y, x, y, …\] as pairs$/,
    ],
    [
      "COCO's list of flat lists",
      outline([1, 1, 100, 1, 100, 100] as never),
      /got \[1, 1, 100, 1, 100, 100\] as number 0; write COCO's flat list/,
    ],
    ["a flat list of odd length", outline(...([1, 1, 100] as never[])), /got 1 as number 0$/],
    ["crossing edges", outline([0, 0], [9, 9], [9, 0], [0, 9]), /edges that do not cross, got \[\[\[0, 0\]/],
    ["two corners", outline([0, 0], [9, 0]), /three corners or more/],
    ["corners alone", [[0, 0]] as never, /polygon 0 of row 7: expected { space, points }, got \[\[0,0\]\]/],
    ["a polygon without corners", { space: "thousand" } as never, /expected { space, points }/],
  ])("refuses %s, and says where", (_why, bad, message) => {
    const validate = () => segmentation().validate([bad], "row 7");
    expect(validate).toThrow(DataError);
    expect(validate).toThrow(message);
  });

  it("refuses outlines that it could not read back: of too many corners, or too far away", () => {
    const circle = (corners: number) =>
      outline(
        ...Array.from({ length: corners }, (_, i): Point => {
          const angle = (2 * Math.PI * i) / corners;
          return [500 + 400 * Math.cos(angle), 500 + 400 * Math.sin(angle)];
        }),
      );
    const task = segmentation();
    const most = [circle(500), circle(500)];
    expect(() => task.validate(most, "row 7")).not.toThrow();
    expect(task.parse(task.format(most))).toEqual(most);
    expect(() => task.validate([circle(500), circle(501)], "row 7")).toThrow(
      "row 7: expected at most 1000 corners in all, got 1001",
    );
    const far: Polygon = {
      space: "pixel",
      points: [
        [0, 0],
        [2e7, 0],
        [0, 9],
      ],
    };
    expect(() => segmentation({ space: "pixel" }).validate([far], "row 7")).toThrow("got [20000000, 0]");
  });

  it("names what came when an annotation has another kind, and refuses an unknown space", () => {
    expect(() => segmentation().validate("leaf" as never, "row 7")).toThrow(
      new DataError('row 7: expected a list of outlines, got "leaf"'),
    );
    expect(() => segmentation({ space: "pixels" as "pixel" })).toThrow(
      /segmentation: expected space to be one of unit/,
    );
  });
});
