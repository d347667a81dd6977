import { createRng, deriveSeed, imagePrompt } from "rise-ts";
import type { Rng } from "rise-ts/types";
import { composePicture, inQuarters, pick } from "../pictures/compose";
import evaluated from "../pictures/evaluated-emoji.json" with { type: "json" };
import { type Emoji, emojiByCode, sceneObjects } from "../pictures/vocabulary";
import { copying } from "./copying-lessons";
import vocabulary from "./known-emoji.json" with { type: "json" };
import {
  beginning,
  beginningWhy,
  captioning,
  justifying,
  looking,
  reading,
  thinkingOfPicture,
  thinkingOfWords,
  thinkingOn,
} from "./mood-lessons";
import { boxes, choosing, finding, placing, recognising } from "./place-lessons";
import { known, type WeightedLesson } from "./written";

export const named: readonly Emoji[] = vocabulary.map((code) => emojiByCode.get(code)!);
const objects: ReadonlySet<string> = new Set(sceneObjects.map(({ code }) => code));
export const all: readonly Emoji[] = [...named.filter(({ code }) => !objects.has(code)), ...sceneObjects];
const names = all.map(({ name }) => name);
/** Emoji whose moods are evaluated: their pictures go with their names only. */
const asked = all.filter(({ code }) => evaluated.includes(code));
/** Emoji whose moods nobody evaluates: only their pictures go with words for moods. */
export const free = all.filter(({ code }) => !evaluated.includes(code));
/** Things that no scene shows: only their pictures go with descriptions. */
const elsewhere = all.filter(({ code }) => !objects.has(code));

/** Faces differ in a few pixels, so that they need more practice. */
const faces = named.filter(({ kind }) => kind === "face");

/** Things that neither of the data sets shows. */
const strange = free.filter(({ code }) => !objects.has(code));

type Kind = (rng: Rng, seed: number) => WeightedLesson | Promise<WeightedLesson>;

/** A picture of one thing. */
export const one = async (emoji: Emoji, seed: number) => (await composePicture([emoji], seed)).image;

async function several(rng: Rng, seed: number, emoji: readonly Emoji[], atLeast = 1) {
  const shown = rng.shuffle(emoji).slice(0, atLeast + rng.integer(4 - atLeast));
  return composePicture(shown, seed, inQuarters);
}

/** Lessons by their share. Nearly a third are names to the end: every other lesson costs some of them. */
const kinds: readonly (readonly [share: number, lesson: Kind])[] = [
  [
    0.55,
    async (rng, seed) => {
      const emoji = pick(rng, pick(rng, [asked, asked, faces, named, all]));
      const image = await one(emoji, seed);
      return pick<() => WeightedLesson>(rng, [
        () => ({ prompt: imagePrompt(image, "What is it?"), pieces: [known(emoji.name)] }),
        () => captioning(emoji, image),
        () => beginning(emoji, image),
        () => beginningWhy(emoji, image),
      ])();
    },
  ],
  [0.08, async (rng, seed) => boxes(rng, await several(rng, seed, sceneObjects))],
  [0.02, async (rng, seed) => boxes(rng, await several(rng, seed, all))],
  [0.02, async (rng, seed) => placing(rng, await several(rng, seed, all, 2))],
  [0.09, async (rng, seed) => finding(rng, await several(rng, seed, elsewhere, 2), true)],
  [0.16, async (rng, seed) => finding(rng, await several(rng, seed, sceneObjects, 2), false)],
  [
    0.14,
    async (rng, seed) =>
      choosing(rng, await several(rng, seed, sceneObjects, 2), await unrelated(rng, deriveSeed(seed, "unrelated"))),
  ],
  [
    0.12,
    (rng) => {
      const [emoji, ...others] = rng.shuffle(rng.uniform() < 0.7 ? sceneObjects : all).slice(0, 2 + rng.integer(2));
      return recognising(rng, emoji!, others);
    },
  ],
  [0.25, (rng) => copying(rng, names)],
  [0.07, (rng) => looking(pick(rng, all))],
  [0.1, async (rng, seed) => reading(rng, pick(rng, all), await unrelated(rng, seed))],
  [0.04, (rng) => thinkingOfWords(pick(rng, all))],
  [0.1, async (rng, seed) => thinkingOn(rng, pick(rng, pick(rng, [asked, all])), await unrelated(rng, seed))],
  [
    0.06,
    async (rng, seed) => {
      const emoji = pick(rng, free);
      return thinkingOfPicture(emoji, await one(emoji, seed));
    },
  ],
  [
    0.04,
    async (rng, seed) => {
      const emoji = pick(rng, free);
      return justifying(rng, emoji, await one(emoji, seed));
    },
  ],
];

/** A picture that has nothing to do with what is said, of things that no data set shows. */
async function unrelated(rng: Rng, seed: number) {
  return (await several(rng, seed, strange)).image;
}

/** Lesson `index` of the second part. */
export async function lesson(seed: number, index: number): Promise<WeightedLesson> {
  const rng = createRng(seed, "lesson", index);
  const total = kinds.reduce((sum, [share]) => sum + share, 0);
  let chance = rng.uniform() * total;
  const [, kind] = kinds.find(([share]) => (chance -= share) < 0)!;
  return kind(rng, deriveSeed(seed, "lesson picture", index));
}

/** Lesson `index` of those that teach nothing but to copy. */
export const copyingLesson = (seed: number, index: number): WeightedLesson =>
  copying(createRng(seed, "copying", index), names);
