import { createRng, deriveSeed } from "rise-ts";
import type { RehearsalRow, Rng } from "rise-ts/types";
import { composePicture, inQuarters, pick } from "../pictures/compose";
import { type Emoji, sceneObjects } from "../pictures/vocabulary";
import { all, free, named, one } from "./lessons";
import { captioning, justifying, looking } from "./mood-lessons";
import { boxes, recognising } from "./place-lessons";
import { textOf, type WeightedLesson } from "./written";

type Draw = (rng: Rng, seed: number, isShown: (thing: Emoji) => boolean) => Promise<WeightedLesson>;

/** Lessons of the base that SFT of few things makes it forget: names of what is seen, and words that go with names. No number about a mood. */
const draws: Readonly<Record<"moods" | "places", Draw>> = {
  moods: async (rng, seed, isShown) => {
    const chance = rng.uniform();
    if (chance < 0.25) return looking(pick(rng, all.filter(isShown)));
    const emoji = pick(rng, (chance < 0.5 ? free : named).filter(isShown));
    const image = await one(emoji, seed);
    return chance < 0.5 ? justifying(rng, emoji, image, 0) : captioning(emoji, image);
  },
  places: async (rng, seed, isShown) => {
    const objects = rng.shuffle(sceneObjects.filter(isShown)).slice(0, 1 + rng.integer(3));
    if (rng.uniform() < 0.6) return boxes(rng, await composePicture(objects, seed, inQuarters));
    return recognising(rng, objects[0]!, []);
  },
};

/** Rows for `sft.rehearsal`. @param unseen names of things that must stay out of them, since they are to be unseen */
export function rehearsalRows(
  of: "moods" | "places",
  { seed, count, unseen }: RehearsalOptions,
): Promise<RehearsalRow[]> {
  const isShown = ({ name }: Emoji) => !unseen.has(name);
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const path = ["rehearsal", of, i] as const;
      const { prompt, pieces } = await draws[of](createRng(seed, ...path), deriveSeed(seed, ...path), isShown);
      return { prompt, completion: pieces.map(textOf).join("") };
    }),
  );
}

export interface RehearsalOptions {
  readonly seed: number;
  readonly count: number;
  readonly unseen: ReadonlySet<string>;
}
