import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rating } from "../../examples/own-task/rating";
import { describeTaskContract } from "../tasks/contract";

const task = rating({ question: "How crowded is this place?" });
const answers: readonly (readonly [text: string, expected: number | null])[] = [
  ["rating: 4", 4],
  ["Rating:4.", 4],
  ["I would say rating: 4, so rating: 4", 4],
  ["<b>rating: 4", 4],
  ["4", null],
  ["rating: n", null],
  ["rating: 3-4", null],
  ["rating: 4/5", null],
  ["rating: 4.5", null],
  ["rating: 6", null],
  ["rating: -1", null],
  ["rating: four", null],
  ["rating: 3 or rating: 4", null],
  ["rating: 3 or rating: four", null],
];

// It repairs nothing, so it is as strict as can be.
describeTaskContract("a task of one's own", {
  ...{ task, strict: task },
  annotation: fc.integer({ min: 1, max: 5 }),
  answers: answers.map(([text]) => text),
});

describe("rating", () => {
  it.each(answers)("reads %j as %j", (text, expected) => {
    expect(task.parse(text)).toBe(expected);
  });

  it("is the nearer the better: one step of four costs a quarter", () => {
    expect([1, 2, 3, 5].map((prediction) => task.similarity(1, prediction))).toEqual([1, 0.75, 0.5, 0]);
  });

  it("refuses annotations off its scale, and says where", () => {
    for (const bad of [0, 6, 2.5, Number.NaN]) expect(() => task.validate(bad, "row 7")).toThrow(/row 7.*1 to 5/);
  });
});
