import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkAnswerFormat, checkCotFormat, readAnswer } from "../../src/checks/format";
import { formatThinkAnswer, parseThinkAnswer } from "../../src/checks/think-answer";

describe("checkCotFormat", () => {
  it.each([
    "Two children laugh.",
    "A man shouts at the sky, fists raised; the light is harsh!",
    "The room is dark.\nNobody smiles.",
    "The mug stands left of the plate. It is red and",
    "Here is what I see:\n- a red mug\n\nIt stands on a table. The table is brown. The light is warm.\nAll is calm.",
    "She wonders: is anybody there?",
  ])("accepts prose: %s", (cot) => {
    expect(checkCotFormat(cot)).toEqual({ ok: true });
  });

  it.each([
    ["", /empty/],
    [" \n ", /empty/],
    ["0.8 0.1 0.1.", /no words/],
    ["...!?", /no words/],
    ["<b></b><i>", /no words/],
    ["[10, 20, 30, 40] is where it is.", /data/],
    ["{'joy': 1.0}", /data/],
    ["```\nA man smiles at us.\n```", /data/],
    ["- a happy child\n- a bright sky.\n- some green grass here.", /list/],
    ["1. A happy child plays.\n2. A bright sky shines.", /list/],
    ["joy", /sentence/],
    ["Happy child.", /sentence/],
    ["a red mug on a brown table with", /sentence/],
    ["The scene is calm.</think><answer>{'joy': 1.0}</answer>", /tag/],
    ["<think>The scene is calm.</think>", /tag/],
  ])("refuses %s", (cot, reason) => {
    const check = checkCotFormat(cot);
    expect(check).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });
});

describe("parseThinkAnswer", () => {
  it("reads back what formatThinkAnswer writes", () => {
    const part = fc.string().filter((text) => !/<\/?(think|answer)>/.test(text));
    fc.assert(
      fc.property(part, part, (think, answer) => {
        expect(parseThinkAnswer(formatThinkAnswer(think, answer))).toEqual({
          think: think.trim(),
          answer: answer.trim(),
        });
      }),
    );
  });

  it.each([
    ["as asked", "<think>A.</think><answer>B</answer>", { think: "A.", answer: "B" }],
    [
      "newlines everywhere",
      "\n<think>\nA.\nC.\n</think>\n\n<answer>\nB\n</answer>\n",
      { think: "A.\nC.", answer: "B" },
    ],
    ["empty parts", "<think></think><answer></answer>", { think: "", answer: "" }],
    [
      "angle brackets in prose",
      "<think>a < b > c <b></think><answer>B</answer>",
      { think: "a < b > c <b>", answer: "B" },
    ],
    ["nothing", "", null],
    ["no tags", "A. B", null],
    ["the other order", "<answer>B</answer><think>A.</think>", null],
    ["no think part", "<answer>B</answer>", null],
    ["no end of think", "<think>A.<answer>B</answer>", null],
    ["cut off", "<think>A.</think><answer>B", null],
    ["text before", "Sure! <think>A.</think><answer>B</answer>", null],
    ["text between", "<think>A.</think> so <answer>B</answer>", null],
    ["text after", "<think>A.</think><answer>B</answer> Done.", null],
    ["two answers", "<think>A.</think><answer>B</answer><answer>C</answer>", null],
    ["two thinks", "<think>A.</think><think>A.</think><answer>B</answer>", null],
    ["nested thinks", "<think><think>A.</think><answer>B</answer>", null],
    ["an answer in the thought", "<think>A <answer>B</answer></think><answer>C</answer>", null],
    ["a thought in the answer", "<think>A</think><answer><think>B</answer>", null],
  ])("%s", (_why, text, expected) => {
    expect(parseThinkAnswer(text)).toEqual(expected);
  });
});

describe("checkAnswerFormat", () => {
  const parse = (text: string) => (text === "B" ? { parsed: true } : null);

  it("wants both parts, and an answer that parses", () => {
    expect(checkAnswerFormat("<think>A.</think><answer>B</answer>", parse)).toEqual({ ok: true });
    expect(checkAnswerFormat("B", parse)).toMatchObject({ ok: false, reason: expect.stringMatching(/<think>/) });
    expect(checkAnswerFormat("<think> </think><answer>B</answer>", parse)).toMatchObject({
      reason: expect.stringMatching(/think part is empty/),
    });
    expect(checkAnswerFormat("<think>A.</think><answer>C</answer>", parse)).toMatchObject({
      reason: expect.stringMatching(/does not parse/),
    });
  });

  it("hands over what it read", () => {
    expect(readAnswer("<think>A.</think><answer>B</answer>", { parse })).toEqual({
      format: { ok: true },
      think: "A.",
      answer: "B",
      prediction: { parsed: true },
      repairs: [],
    });
    expect(
      readAnswer("<think>A.</think><answer>B</answer>", { parse, repairs: () => ["trailing comma"] }).repairs,
    ).toEqual(["trailing comma"]);
    expect(readAnswer("<think>A.</think><answer>C</answer>", { parse, repairs: () => ["quotes"] }).repairs).toEqual([]);
    expect(readAnswer("<think></think><answer>B</answer>", { parse })).toMatchObject({
      think: "",
      prediction: { parsed: true },
    });
  });
});
