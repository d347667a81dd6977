import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors";
import { accuracy } from "../../src/metrics/accuracy";
import { classificationSimilarity } from "../../src/similarity/distribution";
import { classification, oneHot } from "../../src/tasks/classification";
import { readDistribution } from "../../src/tasks/text/distribution-text";
import { distributionAnswers, distributionRepairs, moods } from "./answers";
import { describeTaskContract, promptText } from "./contract";

const awkward = [
  "anger",
  "joy",
  "barber's chair",
  "Band Aid",
  "constructor",
  "__proto__",
  "7",
  "rock, paper: scissors",
];

/** Any distribution over the labels, one-hot and many-digit ones among them. */
const distributionOver = (labels: readonly string[]) =>
  fc.oneof(
    fc.constantFrom(...labels).map((label) => oneHot(labels, label)),
    fc
      .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: labels.length, maxLength: labels.length })
      .map((weights) => {
        const shifted = weights.map((weight) => weight + 1e-6);
        const sum = shifted.reduce((a, b) => a + b, 0);
        return Object.fromEntries(labels.map((label, i) => [label, shifted[i]! / sum]));
      }),
  );

const answers = distributionAnswers.map(([, text]) => text);
describeTaskContract("classification", {
  task: classification({ labels: moods }),
  strict: classification({ labels: moods, reading: "strict" }),
  annotation: distributionOver(moods),
  answers,
});
describeTaskContract("classification with awkward labels", {
  task: classification({ labels: awkward, question: "How does {{subject}} feel?" }),
  strict: classification({ labels: awkward, question: "How does {{subject}} feel?", reading: "strict" }),
  annotation: distributionOver(awkward),
  answers,
});

describeTaskContract("classification with labels in other scripts", {
  task: classification({ labels: ["喜悦（高）", "悲伤、失落", "١", "ｊｏｙ"] }),
  strict: classification({ labels: ["喜悦（高）", "悲伤、失落", "١", "ｊｏｙ"], reading: "strict" }),
  annotation: distributionOver(["喜悦（高）", "悲伤、失落", "١", "ｊｏｙ"]),
  answers,
});

describe("readDistribution", () => {
  it.each(distributionAnswers)("%s: %s", (_why, text, expected) => {
    expect(readDistribution(text, moods)?.value ?? null).toEqual(expected);
  });

  it.each(distributionAnswers.filter(([, , expected]) => expected))(
    "says what it overlooked in %s: %s",
    (why, text) => {
      const { repairs } = readDistribution(text, moods)!;
      expect([...repairs].sort()).toEqual(["missing labels", ...(distributionRepairs[why] ?? [])].sort());
    },
  );
});

describe("classification", () => {
  const task = classification({ labels: ["anger", "joy"] });

  it("writes two decimals where they are exact, in label order", () => {
    expect(task.format({ joy: 0.9, anger: 0.1 })).toBe("{'anger': 0.10, 'joy': 0.90}");
  });

  it("writes as many decimals as it takes where two are not enough", () => {
    expect(task.format({ anger: 1 / 3, joy: 2 / 3 })).toBe("{'anger': 0.3333333333333333, 'joy': 0.6666666666666666}");
  });

  it.each([
    ["one label", ["joy"]],
    ["no label", []],
    ["an empty label", ["joy", ""]],
    ["space around a label", ["joy", " anger"]],
    ["the same label twice", ["joy", "joy"]],
    ["labels that differ in case", ["joy", "Joy"]],
    ["labels that differ in separators", ["band aid", "band_aid"]],
    ["a label that cannot be quoted", ["joy", 'the "good" one']],
    ["a label that looks like a tag", ["joy", "<answer>"]],
    ["a line break in a label", ["joy", "an\nger"]],
    ["labels that are numbers", [1, 2] as never],
  ])("refuses %s", (_why, labels) => {
    expect(() => classification({ labels })).toThrow(ConfigError);
  });

  it.each([
    ["a missing label", { joy: 1 }, /got no "anger"/],
    ["an unknown label", { anger: 0, joy: 1, fear: 0 }, /"fear"/],
    ["a misspelled label", { anger: 0, jou: 1 }, /labels anger, joy, got "jou"/],
    ["a negative value", { anger: -0.5, joy: 1.5 }, /"anger", got -0.5/],
    ["a NaN", { anger: Number.NaN, joy: 1 }, /NaN/],
    ["a sum that is not 1", { anger: 0.5, joy: 0.6 }, /sum of 1, got 1.1/],
  ])("refuses an annotation with %s, and says where", (_why, annotation, message) => {
    expect(() => task.validate(annotation, "row 7")).toThrow(DataError);
    expect(() => task.validate(annotation, "row 7")).toThrow(message);
    expect(() => task.validate(annotation, "row 7")).toThrow(/row 7/);
  });

  it("reads a label whose accents a tokenizer wrote the other way", () => {
    const cafés = classification({ labels: ["cafe\u0301", "bar"] });
    expect(cafés.parse("{'caf\u00e9': 1, 'bar': 0}")).toEqual({ "cafe\u0301": 1, bar: 0 });
    expect(cafés.repairs!("{'caf\u00e9': 1, 'bar': 0}")).toEqual(["spelling of labels"]);
    expect(() => classification({ labels: ["cafe\u0301", "caf\u00e9"] })).toThrow(ConfigError);
  });

  it("reads the digits and marks of another script, and says so", () => {
    const chinese = classification({ labels: ["愤怒", "喜悦（高）", "悲伤、失落"] });
    const read = { 愤怒: 0.1, "喜悦（高）": 0.6, "悲伤、失落": 0.3 };
    for (const [text, repairs] of [
      ["{'愤怒'：0.1，'喜悦（高）'：0.6，'悲伤、失落'：0.3}", []],
      ["｛「愤怒」：１０％、「喜悦（高）」：６０％、「悲伤、失落」：３０％｝。", ["percentages", "text around it"]],
      ["愤怒：0.1，喜悦（高）：0.6，悲伤、失落：0.3。", ["missing braces"]],
      ["- 愤怒：०.१\n- 喜悦（高）：०.६\n- 悲伤、失落：٠٫٣", ["missing braces"]],
    ] as const) {
      expect(chinese.parse(text), text).toEqual(read);
      const others = ["marks of another script", "spelling of labels"];
      expect([...chinese.repairs!(text)].sort(), text).toEqual([...others, ...repairs].sort());
    }
    expect(chinese.repairs!(chinese.format(read))).toEqual([]);
    const strict = classification({ labels: ["怒り", "喜び"], reading: "strict" });
    expect(strict.parse("{'怒り'：0.4、'喜び'：0.6}")).toBeNull();
  });

  it("reads labels that end in a bracket from lists and tables", () => {
    const cranes = classification({ labels: ["crane (bird)", "crane (machine)"] });
    for (const text of [
      "- crane (bird): 0.9\n- crane (machine): 0.1",
      "1. **crane (bird)**: 0.9\n2. **crane (machine)**: 0.1",
      "| **crane (bird)** | 0.9 |\n| **crane (machine)** | 0.1 |",
      "- crane (bird) - 0.9\n- crane (machine) - 0.1",
    ])
      expect(cranes.parse(text), text).toEqual({ "crane (bird)": 0.9, "crane (machine)": 0.1 });
  });

  it("names what came when an annotation has another kind", () => {
    for (const [other, shown] of [
      ["joy", '"joy"; write {"anger": 0, "joy": 1}, or oneHot(labels, "joy")'],
      [null, "null"],
      [undefined, "undefined"],
      [[0.1, 0.9], "[0.1,0.9]"],
    ] as const)
      expect(() => task.validate(other as never, "row 7")).toThrow(
        new DataError(`row 7: expected a probability for each label, got ${shown}`),
      );
  });

  it("refuses labels that are not a list, and an unknown way of reading", () => {
    expect(() => classification({ labels: "joy, anger" as never })).toThrow(
      /a list of at least two labels, got "joy, anger"/,
    );
    expect(() => classification({ labels: ["joy", "anger"], reading: "stric" as "strict" })).toThrow(
      new ConfigError(
        'classification: expected reading to be one of lenient, strict, got "stric"; did you mean "strict"?',
      ),
    );
  });

  it("accepts ratings rounded to two decimals", () => {
    expect(() => task.validate({ anger: 0.33, joy: 0.66 }, "row 7")).not.toThrow();
  });

  it("asks in few words: at most sixty beside the question, the cot and the labels", () => {
    const example = { id: "e", image: "i.png", annotation: { anger: 0.1, joy: 0.9 } };
    for (const prompt of [
      task.cotPrompt(example),
      task.reconstructionPrompt(example, "Rain."),
      task.answerPrompt(example),
    ]) {
      expect(promptText(prompt).split(/\s+/).length).toBeLessThanOrEqual(60);
    }
    expect(promptText(task.cotPrompt(example))).toMatch(/no numbers, probabilities or coordinates/);
    expect(promptText(task.answerPrompt(example))).toContain("<answer>{'anger': p, 'joy': p}</answer>");
    expect(promptText(task.reconstructionPrompt(example, "Rain."))).toContain("{'anger': p, 'joy': p}");
  });

  it("takes other prompts piece by piece, and says which placeholder does not fit", () => {
    const custom = classification({ labels: ["anger", "joy"], prompts: { answer: "Choose among {{labels}}." } });
    const example = { id: "e", image: "i.png", annotation: { anger: 0, joy: 1 } };
    expect(promptText(custom.answerPrompt(example))).toBe("Choose among anger, joy.");
    expect(() => classification({ labels: ["a", "b"], prompts: { cot: "Describe it." } })).toThrow(/{{annotation}}/);
    expect(() => classification({ labels: ["a", "b"], prompts: { answer: "Find {{target}}." } })).toThrow(/{{target}}/);
  });

  it("says which example lacks the subject its question needs", () => {
    const about = classification({ labels: ["a", "b"], question: "What is {{subject}}?" });
    const example = { id: "e9", image: "i.png", annotation: { a: 0, b: 1 } };
    expect(() => about.answerPrompt(example)).toThrow(/e9/);
    expect(promptText(about.answerPrompt({ ...example, subject: "this dog" }))).toContain("What is this dog?");
    expect(() => about.answerPrompt({ ...example, subject: "" })).toThrow(DataError);
  });

  it("refuses a similarity that is not a function", () => {
    expect(() => classification({ labels: ["a", "b"], similarity: "kl" as never })).toThrow(
      new ConfigError('classification: expected similarity to be a function of truth and prediction, got "kl"'),
    );
  });

  it("takes another similarity", () => {
    const printed = classification({
      labels: ["anger", "joy"],
      similarity: (truth, prediction) => classificationSimilarity(truth, prediction, { kl: "asPrinted" }),
    });
    const [truth, doubled] = [
      { anger: 0.5, joy: 0.5 },
      { anger: 1, joy: 1 },
    ];
    expect(printed.similarity(truth, doubled)).toBe(1);
    expect(task.similarity(truth, doubled)).toBeLessThan(1);
  });

  it("works with labels that every object has, in every check and similarity", () => {
    const labels = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const odd = classification({ labels });
    for (const label of labels) {
      const truth = oneHot(labels, label);
      expect(odd.parse(odd.format(truth))).toEqual(truth);
      expect(Object.hasOwn(odd.parse(`${label}: 1`)!, label)).toBe(true);
      expect(odd.similarity(truth, truth)).toBe(1);
      expect(odd.similarity(truth, oneHot(labels, labels.find((other) => other !== label)!))).toBeLessThan(0.01);
      expect(accuracy([{ truth, prediction: truth }])).toBe(1);
      expect(odd.leaks(`I see ${label} here.`, truth, { strict: true }).length).toBeGreaterThan(0);
      expect(() => odd.validate(truth, "row 1")).not.toThrow();
    }
  });

  it("counts label names as leaks only when strict", () => {
    const annotation = { anger: 0, joy: 1 };
    expect(task.leaks("A joyful scene.", annotation)).toEqual([]);
    expect(task.leaks("A joyful scene.", annotation, { strict: true }).map(({ text }) => text)).toEqual(["joyful"]);
  });
});
