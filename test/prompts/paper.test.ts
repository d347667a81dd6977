import { describe, expect, expectTypeOf, it } from "vitest";
import { emotion6Labels } from "../../src/datasets/emotion6";
import { imagenetSubClasses } from "../../src/datasets/imagenet-sub";
import { classificationPrompts, detectionPrompts, paperPrompts } from "../../src/prompts/paper";
import { type PlaceholdersOf, sentences } from "../../src/prompts/template";
import type { Task } from "../../src/task";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import type { Example, Prompt } from "../../src/types";
import { promptText } from "../tasks/contract";

const emotion6 = classification({ labels: emotion6Labels, ...paperPrompts.emotion6 });
const imagenetSub = classification({ labels: Object.values(imagenetSubClasses), ...paperPrompts.imagenetSub });
const lisa = detection(paperPrompts.lisa);
const cocoSub = detection(paperPrompts.cocoSub);

const oneHot = (labels: readonly string[], hot: string) =>
  Object.fromEntries(labels.map((label) => [label, label === hot ? 1 : 0]));
const picture = { id: "e1", image: "image.png" };
const box = (x: number, y: number, width: number, height: number) =>
  ({ space: "thousand", x, y, width, height }) as const;
const moods = { anger: 0.05, disgust: 0, fear: 0.1, joy: 0.6, sadness: 0.05, surprise: 0.15, neutral: 0.05 };
const cot = "A quiet street after rain, lit by one lamp.";

describe("the prompts of the paper's data sets", () => {
  it.each([
    ["emotion6", promptsOf(emotion6, { ...picture, annotation: moods })],
    [
      "lisa",
      promptsOf(lisa, { ...picture, annotation: [box(120, 340, 56, 78)], subject: "Where can one sit in the shade?" }),
    ],
    [
      "imagenet-sub",
      promptsOf(imagenetSub, { ...picture, annotation: oneHot(Object.values(imagenetSubClasses), "bucket") }),
    ],
    [
      "coco-sub",
      promptsOf(cocoSub, { ...picture, annotation: [box(10, 20, 300, 400), box(500, 20, 30, 40)], subject: "dog" }),
    ],
  ])("of %s are as they were", async (name, [toExplain, toReconstruct, toAnswer]) => {
    await expect(
      ["# cot", toExplain, "# reconstruction", toReconstruct, "# answer", toAnswer, ""].join("\n"),
    ).toMatchFileSnapshot(`snapshots/${name}.txt`);
    for (const task of [emotion6, imagenetSub, lisa, cocoSub]) {
      expect([task.parse(toReconstruct!), task.parse(toAnswer!)]).toEqual([null, null]);
    }
  });

  it("forbid numbers where a cot is asked for, and give the form wherever an annotation is", () => {
    for (const { prompts } of Object.values(paperPrompts)) {
      expect(prompts.cot).toContain("use no numbers, probabilities or coordinates");
      for (const text of [prompts.reconstruction, prompts.answer]) {
        expect(text).toContain("{{form}}");
        expect(text).not.toContain("{{annotation}}");
      }
    }
  });

  it("are replaced text by text: the others stay", () => {
    const { question, prompts } = paperPrompts.emotion6;
    const example = { ...picture, annotation: moods };
    const custom = classification({
      labels: emotion6Labels,
      question,
      prompts: { ...prompts, cot: "Why {{annotation}}?" },
    });
    const [, ...others] = promptsOf(emotion6, example);
    expect(promptsOf(custom, example)).toEqual([`Why ${emotion6.format(moods)}?`, ...others]);

    const asked = classification({ labels: emotion6Labels, question: "Welche Stimmung?", prompts });
    expect(promptsOf(asked, example)).toEqual(
      promptsOf(emotion6, example).map((text) => text.replace(question, "Welche Stimmung?")),
    );
  });

  it("can be in another language", () => {
    const task = detection({
      prompts: detectionPrompts({
        cot: "Finde im Bild: {{target}}. Richtig ist {{annotation}}. Begründe das ohne Zahlen.",
        reconstruction: "Finde im Bild: {{target}}. Jemand beschrieb es so: {{cot}} Antworte nur mit {{form}}.",
        answer: "Finde im Bild: {{target}}. Schreibe <think>Begründung</think><answer>{{form}}</answer>.",
      }),
    });
    expect(promptsOf(task, { ...picture, annotation: [box(1, 2, 3, 4)], subject: "den Hund" })).toEqual([
      "Finde im Bild: den Hund. Richtig ist [[1, 2, 3, 4]]. Begründe das ohne Zahlen.",
      `Finde im Bild: den Hund. Jemand beschrieb es so: ${cot} Antworte nur mit [[x, y, w, h], ...].`,
      "Finde im Bild: den Hund. Schreibe <think>Begründung</think><answer>[[x, y, w, h], ...]</answer>.",
    ]);
  });

  it("can follow worked examples, in words or with pictures of their own", () => {
    const example = { ...picture, annotation: moods };
    const { question, prompts } = paperPrompts.emotion6;
    const inWords = classification({
      labels: emotion6Labels,
      question,
      prompts: { ...prompts, answer: `Such as: <think>Confetti.</think><answer>…</answer>\n${prompts.answer}` },
    });
    expect(promptText(inWords.answerPrompt(example))).toBe(
      `Such as: <think>Confetti.</think><answer>…</answer>\n${promptText(emotion6.answerPrompt(example))}`,
    );

    const shot: Prompt = [
      ...emotion6.answerPrompt({ ...picture, image: "party.png", annotation: moods }),
      { role: "assistant", content: [{ type: "text", text: "<think>Confetti.</think><answer>…</answer>" }] },
    ];
    const shown: typeof emotion6 = { ...emotion6, answerPrompt: (asked) => [...shot, ...emotion6.answerPrompt(asked)] };
    const parts = shown.answerPrompt(example);
    expect(parts.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
    expect(
      parts.flatMap(({ content }) => content.flatMap((part) => (part.type === "image" ? [part.image] : []))),
    ).toEqual(["party.png", "image.png"]);
  });
});

describe("placeholders", () => {
  it("can be read off a text's type, and off joined sentences' type", () => {
    expectTypeOf<PlaceholdersOf<typeof paperPrompts.emotion6.prompts.cot>>().toEqualTypeOf<"question" | "annotation">();
    expectTypeOf<PlaceholdersOf<typeof paperPrompts.lisa.prompts.answer>>().toEqualTypeOf<
      "target" | "form" | "scale"
    >();
    const joined = sentences("Find {{target}}.", "Write {{form}}.");
    expectTypeOf(joined).toEqualTypeOf<"Find {{target}}. Write {{form}}.">();
    expect(joined).toBe("Find {{target}}. Write {{form}}.");
  });

  it("are held by the compiler to what a task fills, and by the task as well", () => {
    // @ts-expect-error a classification has no target
    const unknown = classificationPrompts({ answer: "Find {{target}}." });
    // @ts-expect-error a cot has to be asked for with the annotation
    const missing = classificationPrompts({ cot: "Describe the image." });
    // @ts-expect-error nobody has seen the cot when the image alone is asked about
    const early = detectionPrompts({ answer: "Somebody said {{cot}}; write {{form}}." });
    const labels = ["a", "b"];
    expect(() => classification({ labels, prompts: unknown })).toThrow(/got {{target}}/);
    expect(() => classification({ labels, prompts: missing })).toThrow(/expected a text that uses {{annotation}}/);
    expect(() => detection({ prompts: early })).toThrow(/got {{cot}}/);
  });
});

function promptsOf<A>(task: Task<A>, example: Example<A>): string[] {
  return [task.cotPrompt(example), task.reconstructionPrompt(example, cot), task.answerPrompt(example)].map(promptText);
}
