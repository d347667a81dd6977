import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors";
import { detection } from "../../src/tasks/detection";
import { readBoxes } from "../../src/tasks/text/box-text";
import type { Box, BoxSpace } from "../../src/types";
import { boxAnswers, boxRepairs } from "./answers";
import { describeTaskContract, promptText } from "./contract";

const box = (x: number, y: number, width: number, height: number, space: BoxSpace = "thousand"): Box => ({
  space,
  x,
  y,
  width,
  height,
});

const integerBox = fc
  .tuple(fc.integer({ min: 0, max: 990 }), fc.integer({ min: 0, max: 990 }), fc.nat(9), fc.nat(9))
  .map(([x, y, w, h]) => box(x, y, w + 1, h + 1));
const side = fc.double({ min: 1e-6, max: 0.5, noNaN: true });
const unitBox = fc.tuple(side, side, side, side).map(([x, y, w, h]) => box(x, y, w, h, "unit"));

const answers = boxAnswers.map(([, text]) => text);
describeTaskContract("detection", {
  task: detection({ target: "mug" }),
  strict: detection({ target: "mug", reading: "strict" }),
  annotation: fc.array(integerBox, { maxLength: 6 }),
  answers,
});
describeTaskContract("detection of single targets, N_pred", {
  task: detection({ single: true, similarity: "predicted" }),
  strict: detection({ single: true, similarity: "predicted", reading: "strict" }),
  annotation: integerBox.map((one) => [one]),
  answers,
});
describeTaskContract("detection in fractions, max(N_g, N_pred)", {
  task: detection({ space: "unit", similarity: "max" }),
  strict: detection({ space: "unit", similarity: "max", reading: "strict" }),
  annotation: fc.array(unitBox, { maxLength: 6 }),
  answers,
});

describe("readBoxes", () => {
  it.each(boxAnswers)("%s: %s", (_why, text, expected) => {
    const boxes = expected?.map((numbers) => box(...numbers)) ?? null;
    expect(readBoxes(text, "thousand", false)?.value ?? null).toEqual(boxes);
  });

  it.each(boxAnswers.filter(([, , expected]) => expected))("says what it overlooked in %s: %s", (why, text) => {
    expect([...readBoxes(text, "thousand", false)!.repairs].sort()).toEqual(boxRepairs[why] ?? []);
  });

  it("wants no list around a single box", () => {
    const overlooked = (text: string) => readBoxes(text, "thousand", true)?.repairs;
    expect(overlooked("[10, 20, 30, 40]")).toEqual([]);
    expect(overlooked("[[10, 20, 30, 40]]")).toEqual(["extra brackets"]);
    expect(overlooked("[10, 20, 30, 40], [10, 20, 30, 40]")).toEqual(["said twice"]);
  });
});

describe("detection", () => {
  it("writes a list of boxes, or one box for single targets", () => {
    expect(detection().format([box(1, 2, 3, 4), box(5, 6, 7, 8)])).toBe("[[1, 2, 3, 4], [5, 6, 7, 8]]");
    expect(detection().format([])).toBe("[]");
    expect(detection({ single: true }).format([box(1, 2, 3, 4)])).toBe("[1, 2, 3, 4]");
  });

  it("takes exactly one box as the answer for a single target, however often it was said", () => {
    const task = detection({ single: true });
    expect(task.parse("It is at [1, 2, 3, 4], so [1, 2, 3, 4].")).toEqual([box(1, 2, 3, 4)]);
    expect(task.parse("[1, 2, 3, 4], [5, 6, 7, 8]")).toBeNull();
    expect(task.parse("[]")).toBeNull();
  });

  it.each([
    ["another space", box(1, 2, 3, 4, "pixel"), /convertBox/],
    ["no width", box(1, 2, 0, 4), /expected a box with an area/],
    ["NaN", box(Number.NaN, 2, 3, 4), /expected finite numbers, got \[NaN, 2, 3, 4\]/],
    ["a place outside the image", box(990, 2, 30, 4), /within 0 … 1000/],
    ["a width too small to count", box(900, 2, 1e-18, 4), /expected a box with an area/],
    ["sides whose product is too small to count", box(0, 0, 1e-300, 1e-300), /expected a box with an area/],
  ])("refuses a box with %s, and says where", (_why, bad, message) => {
    const validate = () => detection().validate([box(1, 2, 3, 4), bad], "row 7");
    expect(validate).toThrow(DataError);
    expect(validate).toThrow(message);
    expect(validate).toThrow(/box 1 of row 7/);
  });

  it("names what came when an annotation has another kind", () => {
    const validate = (annotation: unknown) => () => detection().validate(annotation as Box[], "row 7");
    expect(validate({ x: 1 })).toThrow(new DataError('row 7: expected a list of boxes, got {"x":1}'));
    expect(validate([[1, 2, 3, 4]])).toThrow(
      new DataError("box 0 of row 7: expected { space, x, y, width, height }, got [1,2,3,4]"),
    );
    expect(validate([null])).toThrow(/got null/);
  });

  it("refuses an unknown space, denominator or way of reading", () => {
    expect(() => detection({ space: "pixels" as "pixel" })).toThrow(
      new ConfigError(
        'detection: expected space to be one of unit, thousand, pixel, got "pixels"; did you mean "pixel"?',
      ),
    );
    expect(() => detection({ similarity: "iou" as "max" })).toThrow(/similarity to be one of truth, predicted, max/);
    expect(() => detection({ reading: "loose" as "lenient" })).toThrow(/reading to be one of lenient, strict/);
  });

  it("wants exactly one box for a single target", () => {
    expect(() => detection({ single: true }).validate([], "row 7")).toThrow(/exactly one box, got 0/);
  });

  it("asks for the example's subject first, for its own target otherwise, and for one of them at least", () => {
    const example = { id: "e9", image: "i.png", annotation: [box(1, 2, 3, 4)] };
    const task = detection({ target: "mug" });
    expect(promptText(task.answerPrompt(example))).toContain("Find in the image: mug.");
    expect(promptText(task.answerPrompt({ ...example, subject: "what holds tea" }))).toContain("what holds tea");
    expect(task.answerPrompt({ ...example, subject: " " })).toEqual(task.answerPrompt(example));
    expect(() => detection().answerPrompt({ ...example, subject: "" })).toThrow(DataError);
    expect(() => detection().answerPrompt(example)).toThrow(/e9/);
    expect(() => detection({ target: " " })).toThrow(ConfigError);
  });

  it("names the space it wants coordinates in", () => {
    const example = { id: "e", image: "i.png", annotation: [], subject: "mug" };
    expect(promptText(detection().answerPrompt(example))).toContain("0 to 1000");
    expect(promptText(detection({ space: "pixel" }).answerPrompt(example))).toContain("pixels");
    expect(promptText(detection({ space: "unit" }).answerPrompt(example))).toContain("fractions");
  });

  it("asks in few words: at most sixty-five with target and boxes", () => {
    const example = { id: "e", image: "i.png", annotation: [box(1, 2, 3, 4)], subject: "mug" };
    const task = detection({ single: true });
    for (const prompt of [
      task.cotPrompt(example),
      task.reconstructionPrompt(example, "Rain."),
      task.answerPrompt(example),
    ]) {
      expect(promptText(prompt).split(/\s+/).length).toBeLessThanOrEqual(65);
    }
  });

  it("does not mind the target's name in the cot", () => {
    expect(detection({ target: "mug" }).leaks("The mug is on the table.", [box(1, 2, 3, 4)], { strict: true })).toEqual(
      [],
    );
  });
});
