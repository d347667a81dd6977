import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAnswer } from "../../../src/checks/format";
import { ConfigError } from "../../../src/errors";
import { detection } from "../../../src/tasks/detection";
import { segmentation } from "../../../src/tasks/segmentation";
import type { BoxFormat } from "../../../src/tasks/text/box-notation";
import { decimalDifference, decimalSum } from "../../../src/tasks/text/decimal";
import type { Box } from "../../../src/types";
import { boxAnswers } from "../answers";
import { describeTaskContract, promptText } from "../contract";

const box = (x: number, y: number, width: number, height: number): Box => ({ space: "thousand", x, y, width, height });
const dog = box(102, 233, 329, 454);
const cat = box(450, 211, 250, 469);

const side = fc.double({ min: 1e-6, max: 0.5, noNaN: true });
const unitBox = fc
  .tuple(side, side, side, side)
  .map(([x, y, width, height]): Box => ({ space: "unit", x, y, width, height }));
const integers = fc
  .tuple(fc.nat(900), fc.nat(900), fc.nat(90), fc.nat(90))
  .map(([x, y, w, h]) => box(x, y, w + 1, h + 1));

describeTaskContract("detection of two corners, in fractions of any length", {
  task: detection({ space: "unit", boxFormat: "xyxy" }),
  strict: detection({ space: "unit", boxFormat: "xyxy", reading: "strict" }),
  annotation: fc.array(unitBox, { maxLength: 6 }),
  answers: boxAnswers.map(([, text]) => text),
});
describeTaskContract("detection of two corners, y first", {
  task: detection({ single: true, boxFormat: "yxyx" }),
  strict: detection({ single: true, boxFormat: "yxyx", reading: "strict" }),
  annotation: integers.map((one) => [one]),
  answers: boxAnswers.map(([, text]) => text),
});

/** Answers of models in their own words: what each option reads; null where it is another notation. The first eight follow reports of public projects. */
const answers: readonly (readonly [text: string, read: Partial<Record<BoxFormat, readonly Box[]>>])[] = [
  ["[{'Position': [450, 211, 700, 680], 'Confidence': 0.9}]", { xyxy: [cat] }],
  [
    "[{'Position': [102, 233, 431, 687], 'Confidence': 1}, {'Position': [450, 211, 700, 680], 'Confidence': 0.8}]",
    { xyxy: [dog, cat] },
  ],
  ["<|object_ref_start|>the brown dog<|object_ref_end|><|box_start|>(102,233),(431,687)<|box_end|>", { xyxy: [dog] }],
  ["(102,233),(431,687)(450,211),(700,680)", { xyxy: [dog, cat] }],
  ['```json\n[\n\t{"bbox_2d": [102, 233, 431, 687], "label": "dog"}\n]\n```', { xyxy: [dog] }],
  ['[{"box_2d": [233, 102, 687, 431], "label": "dog"}]', { yxyx: [dog] }],
  ["No Objects", { xywh: [], xyxy: [], yxyx: [] }],
  ["None", { xywh: [], xyxy: [], yxyx: [] }],
  // Keys that nobody knows to mean a notation.
  ['{"location": [102, 233, 329, 454]}', {}],
  ['[{"Region": [102, 233, 329, 454]}]', {}],
  ['{"coordinates": [[102, 233, 329, 454]]}', {}],
  ['{"coords": "[102, 233, 329, 454]"}', {}],
  ["{rect: [102, 233, 329, 454]}", {}],
  ["[{label: dog, area = [102, 233, 329, 454]}]", {}],
  ['{"dog": [102, 233, 329, 454]}', {}],
  ["{“bounds”: [102, 233, 329, 454]}", {}],
  ['"pos": [102, 233, 329, 454]', {}],
  ['[{"bbox": [102, 233, 329, 454]}, {"place": [450, 211, 250, 469]}]', {}],
  ["- Position: [102, 233, 431, 687]\n  Confidence: 0.9", { xyxy: [dog] }],
  // Keys that say no more than that there is a box: as it was asked for.
  ['{"boxes": [[102, 233, 329, 454]]}', { xywh: [dog] }],
  ['{"bounding_box": [102, 233, 329, 454]}', { xywh: [dog] }],
  ['{"Bounding Box 1": [102, 233, 329, 454]}', { xywh: [dog] }],
  ['{"answer": [102, 233, 329, 454]}', { xywh: [dog] }],
  ['{"bbox_xywh": [102, 233, 329, 454]}', { xywh: [dog] }],
  ['{"bbox": [102, 233, 329, 454], "score": [0.9]}', { xywh: [dog] }],
  ["the dog: [102, 233, 329, 454]", { xywh: [dog] }],
  // Two corners in other words.
  ['[{"bbox_2d": [102, 233, 431, 687]}, {"bbox_2d": [450, 211, 700, 680]}]', { xyxy: [dog, cat] }],
  ["<ref>dog</ref><box>(102,233),(431,687)</box>", { xyxy: [dog] }],
  ["<ref>dog</ref><box>[[102, 233, 431, 687]]</box>", { xyxy: [dog] }],
  ["<|ref|>dog<|/ref|><|det|>[[102, 233, 431, 687]]<|/det|>", { xyxy: [dog] }],
  ["[(102, 233), (431, 687), (450, 211), (700, 680)]", { xyxy: [dog, cat] }],
  ["[[102, 233], [431, 687]]", { xyxy: [dog] }],
  ["[[[102, 233], [431, 687]], [[450, 211], [700, 680]]]", { xyxy: [dog, cat] }],
  ["[x1, y1, x2, y2] = [102, 233, 431, 687]", { xyxy: [dog] }],
  ["(left, top, right, bottom): [102, 233, 431, 687]", { xyxy: [dog] }],
  ['{"bbox_xyxy": [102, 233, 431, 687]}', { xyxy: [dog] }],
  ["(102,233),(431,687),(450,211)", {}],
  ["(431,687),(102,233)", {}],
  // y first.
  ['```json\n[{"box_2d": [233, 102, 687, 431]}, {"box_2d": [211, 450, 680, 700]}]\n```', { yxyx: [dog, cat] }],
  ["[ymin, xmin, ymax, xmax]: [233, 102, 687, 431]", { yxyx: [dog] }],
  ["[y1, x1, y2, x2] = [233, 102, 687, 431]", { yxyx: [dog] }],
  // The digits and marks of another script.
  ["［102，233，329，454］", { xywh: [dog] }],
  ["答案：[[１０２、２３３、３２９、４５４]]。", { xywh: [dog] }],
  ["[[١٠٢، ٢٣٣، ٣٢٩، ٤٥٤]]", { xywh: [dog] }],
  ["[[102, 233, 329, 454]]，【450，211，250，469】", {}],
  // Pairs that a sentence speaks of.
  ["Coordinates are normalised to [0, 1000]. [[102, 233, 329, 454]]", { xywh: [dog] }],
  ["The image is (640, 480) in size. The dog: [102, 233, 329, 454]", { xywh: [dog] }],
  ["[[102, 233, 329, 454]] (on a scale of [0, 1000])", { xywh: [dog] }],
  ["Size [640, 480], scale [0, 1000]: [[102, 233, 329, 454]]", { xywh: [dog] }],
  ["[102, 233, 329, 454], [450, 211]", {}],
  // Words for nothing, and only where they are the whole answer.
  ["no boxes found.", { xywh: [], xyxy: [], yxyx: [] }],
  ['"No objects detected"', { xywh: [], xyxy: [], yxyx: [] }],
  ["**None**", { xywh: [], xyxy: [], yxyx: [] }],
  ["None of them is a dog.", {}],
  ["No dog", {}],
];

describe("readBoxes by notation", () => {
  it.each(answers)("reads %s where that is the notation, and nowhere else", (text, read) => {
    for (const boxFormat of ["xyxy", "yxyx", "xywh"] as const) {
      const found = detection({ boxFormat }).parse(text);
      if (read[boxFormat]) expect(found, boxFormat).toEqual(read[boxFormat]);
      // Four bare numbers may be boxes of any notation; those of a size are too small to be corners, mostly.
      else if (boxFormat === "xywh" || !read.xywh) expect(found, boxFormat).toBeNull();
    }
  });

  it("names the key, or the words, that keep a text from being read", () => {
    const task = detection({ target: "dog" });
    const reason = (answer: string) => readAnswer(`<think>A dog.</think><answer>${answer}</answer>`, task).format;
    expect(reason("[{'Position': [450, 211, 700, 680]}]")).toEqual({
      ok: false,
      reason: 'the answer does not parse: a box stands under the key "Position", which does not say [x, y, w, h]',
    });
    expect(reason('[{"bbox_2d": [1, 2, 3, 4]}]')).toEqual({
      ok: false,
      reason:
        'the answer does not parse: boxes are asked for as [x, y, w, h], but "bbox_2d" says top-left and bottom-right corner',
    });
    for (const [answer, key] of [
      ['{"x": 10, "y": 20, "w": 30, "h": 40}', "x"],
      ['[{"left": 10, "top": 20, "width": 30, "height": 40}]', "left"],
      ["top = 20, left = 10", "top"],
    ])
      expect(reason(answer!)).toEqual({
        ok: false,
        reason: `the answer does not parse: boxes are asked for as [x, y, w, h], but a number stands under the key "${key}"`,
      });
    expect(reason("no dog here")).toEqual({ ok: false, reason: "the answer does not parse" });
  });

  it("keeps an unseen key from being read, whatever it is called", () => {
    const key = fc.string({ unit: fc.constantFrom(..."abcdeghijklmnpqrstuvz_ 12"), minLength: 1, maxLength: 20 });
    const known = /^(?:b?box(?:e?s)?|bbox(?:es)?|bounding ?box(?:es)?|answers?)\d*$/;
    fc.assert(
      fc.property(key, (name) => {
        fc.pre(!known.test(name.replace(/[_ ]/g, "")) && /[a-z]/.test(name));
        expect(detection().parse(`[{"${name}": [450, 211, 700, 680], "n": 1}]`)).toBeNull();
      }),
    );
  });
});

describe("detection's boxFormat", () => {
  const example = { id: "e", image: "i.png", annotation: [dog], subject: "dog" };

  it("is what the prompts ask for, and what the annotation is written in", () => {
    expect(promptText(detection({ boxFormat: "xyxy" }).answerPrompt(example))).toContain(
      "[[x1, y1, x2, y2], ...]</answer>: top-left and bottom-right corner, each from 0 to 1000 across the image",
    );
    expect(promptText(detection({ boxFormat: "yxyx", space: "pixel" }).answerPrompt(example))).toContain(
      "[[y1, x1, y2, x2], ...]</answer>: top-left and bottom-right corner, y before x in pixels",
    );
    expect(promptText(detection({ boxFormat: "xyxy" }).cotPrompt(example))).toContain("[[102, 233, 431, 687]]");
    expect(detection({ boxFormat: "yxyx", single: true }).format([dog])).toBe("[233, 102, 687, 431]");
  });

  it("is the notation in which a copied annotation leaks", () => {
    const [leak] = detection({ boxFormat: "xyxy" }).leaks("It is at [[102, 233, 431, 687]].", [dog]);
    expect(leak).toMatchObject({ kind: "annotation", text: "[[102, 233, 431, 687]]" });
  });

  it("is refused when it is no box", () => {
    expect(() => detection({ boxFormat: "corners" as "xyxy" })).toThrow(
      new ConfigError('detection: expected boxFormat to be one of xywh, xyxy, yxyx, got "corners"'),
    );
  });
});

describe("repairs of coordinates that were read", () => {
  it.each([
    ["thousand", "[[0.45, 0.21, 0.25, 0.47]]", "coordinates look like fractions"],
    ["pixel", "[[0.45, 0.21, 0.25, 0.47]]", "coordinates look like fractions"],
    ["thousand", "[[0, 0, 0.5, 1]]", "coordinates look like fractions"],
    ["thousand", "[[900, 900, 200, 50]]", "coordinates outside the image"],
    ["thousand", "[[-40, 10, 200, 50]]", "coordinates outside the image"],
    ["pixel", "[[-40, 10, 200, 50]]", "coordinates outside the image"],
    ["unit", "[[102, 233, 329, 454]]", "coordinates look like pixels or thousandths"],
    ["unit", "[[0.5, 0.5, 0.7, 0.1]]", "coordinates outside the image"],
    ["thousand", "[[0.45, 0.21, 0.25, 0.47], [102, 233, 329, 454]]", undefined],
    ["thousand", "[[0, 0, 1, 1]]", undefined],
    ["thousand", "[[0, 0, 1000, 1000]]", undefined],
    ["unit", "[[0, 0, 1, 1]]", undefined],
    ["pixel", "[[102, 233, 4000, 454]]", undefined],
    ["thousand", "[]", undefined],
  ] as const)("in %s space, of %s: %s", (space, text, repair) => {
    expect(detection({ space }).repairs!(text)).toEqual(repair === undefined ? [] : [repair]);
    expect(detection({ space }).parse(text)).not.toBeNull();
    if (repair) expect(detection({ space, reading: "strict" }).parse(text)).toBeNull();
  });

  it("are those of outlines as well", () => {
    const task = segmentation({ target: "leaf" });
    expect(task.repairs!("[[[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]]")).toEqual(["coordinates look like fractions"]);
    expect(task.repairs!("[[[100, 100], [1900, 100], [100, 900]]]")).toEqual(["coordinates outside the image"]);
    expect(task.parse("No outlines.")).toEqual([]);
    expect(task.parse("In a frame of [0, 1000]: [[[0, 0], [9, 0], [0, 9]]]")).toHaveLength(1);
  });
});

describe("decimals", () => {
  it("are added and subtracted as they are written, so that corners read back the size", () => {
    expect(decimalSum(0.1, 0.2)).toBe("0.3");
    expect(decimalSum(-0.1, 0.1)).toBe("0");
    expect(decimalSum(1e-7, 1)).toBe("1.0000001");
    expect(decimalDifference("0.3", "0.1")).toBe(0.2);
    expect(decimalDifference("1e1", "+.5")).toBe(9.5);
    expect(decimalDifference(decimalSum(-1.0000000000000001e74, 3.5e-323), "-1.0000000000000001e74")).toBe(3.5e-323);
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (x, y) => void expect(decimalDifference(decimalSum(x, y), String(x))).toBe(y + 0),
      ),
    );
  });
});
