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
    "I see it.",
    "A sign with {braces} hangs there.",
    "- A red mug stands on the table.",
    "- a mug\n- a cup\nBoth stand on a table.\nNobody drinks.",
    "[Sighs] The old man turns away.",
    // As models think that were raised on other languages.
    "孩子在阳光下微笑。他很开心。",
    "画面明亮，让人愉快。",
    "大约六成的人会觉得快乐。",
    "子どもが笑っています。空は青いです。",
    "街角站着三个人！",
    "老人为什么独自坐着？",
    "雨の中で女の人が傘を差している｡",
    "아이들이 햇살 아래에서 웃는다.",
    "बच्चे धूप में हँस रहे हैं।",
    "এই ছবিতে একটি শিশু হাসছে।",
    "هل يضحك الأطفال هنا؟",
    "ایک بچہ دھوپ میں ہنس رہا ہے۔",
    "เด็กๆ ยิ้มท่ามกลางแสงแดด",
    "ເດັກນ້ອຍຍິ້ມຢູ່ໃນແສງແດດ",
    "ក្មេងៗញញឹមក្នុងពន្លឺថ្ងៃ។",
    "ကလေးများသည် နေရောင်အောက်တွင် ပြုံးနေကြသည်။",
    "ልጆቹ በፀሐይ ውስጥ ይስቃሉ።",
    "Երեխաները ժպտում են արևի տակ։",
    "Дети смеются на солнце.",
    "The sign says 出口, and 人们 walk on.",
    `${"word ".repeat(400)}ends here.`,
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
    ["[joy, fear, and anger]", /sentence/],
    ["```\nA man smiles at us.\n```", /data/],
    ["- a happy child\n- a bright sky.\n- some green grass here.", /list/],
    ["1. A happy child plays.\n2. A bright sky shines.", /list/],
    ["1. A happy child plays.\n \n \n2. A bright sky shines.", /list/],
    ["joy", /sentence/],
    ["Yes. No. Perhaps.", /sentence/],
    ["Go on. He sits.", /sentence/],
    ["ยิ้ม. a red mug on the table", /sentence/],
    ["Happy child.", /sentence/],
    ["a red mug on a brown table with", /sentence/],
    ["快乐", /sentence/],
    ["好。", /sentence/],
    ["开心。悲伤。", /sentence/],
    ["孩子在阳光下微笑", /sentence/],
    ["खुश बच्चा।", /sentence/],
    ["ยิ้ม", /sentence/],
    ["행복한 아이.", /sentence/],
    ["طفل سعيد؟", /sentence/],
    ["1、一个快乐的孩子在玩。\n2、天空很蓝很亮。", /list/],
    ["・笑っている子どもがいる。\n・空はとても青い。", /list/],
    ["１．孩子在草地上玩。\n２．天空很蓝很亮。", /list/],
    ["八〇％。、！？", /sentence/],
    ["The scene is calm.</think><answer>{'joy': 1.0}</answer>", /tag/],
    ["<think>The scene is calm.</think>", /tag/],
    ["The scene is calm.</THINK>", /tag/],
  ])("refuses %s", (cot, reason) => {
    const check = checkCotFormat(cot);
    expect(check).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });
});

describe("parseThinkAnswer", () => {
  it("takes the space around both parts off, as formatThinkAnswer does", () => {
    expect(formatThinkAnswer(" A.\n", "\tB ")).toBe("<think>A.</think><answer>B</answer>");
  });

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

  it("says why an answer does not parse if the task knows", () => {
    const text = "<think>A.</think><answer>C</answer>";
    const reasonOf = (task: Parameters<typeof readAnswer>[1]) => {
      const { format } = readAnswer(text, task);
      return format.ok ? "" : format.reason;
    };
    expect(reasonOf({ parse })).toBe("the answer does not parse");
    expect(reasonOf({ parse, problem: (answer) => `expected B, got ${answer}` })).toBe(
      "the answer does not parse: expected B, got C",
    );
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
