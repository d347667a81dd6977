import { createRng, deriveSeed } from "rise-ts";
import type { RehearsalRow, Rng } from "rise-ts/types";
import { composePicture, inQuarters, pick } from "../pictures/compose";
import { sceneObjects } from "../pictures/vocabulary";
import { all, free, named, one } from "./lessons";
import { captioning, justifying, looking } from "./mood-lessons";
import { boxes, recognising } from "./place-lessons";
import { textOf, type WeightedLesson } from "./written";

type Draw = (rng: Rng, seed: number) => Promise<WeightedLesson>;

/** Lessons of the base that SFT of few things makes it forget: names of what is seen, and words that go with names. No number about a mood. */
const draws: Readonly<Record<"moods" | "places", Draw>> = {
  moods: async (rng, seed) => {
    const chance = rng.uniform();
    if (chance < 0.25) return looking(pick(rng, all));
    const emoji = pick(rng, chance < 0.5 ? free : named);
    const image = await one(emoji, seed);
    return chance < 0.5 ? justifying(rng, emoji, image, 0) : captioning(emoji, image);
  },
  places: async (rng, seed) => {
    const objects = rng.shuffle(sceneObjects).slice(0, 1 + rng.integer(3));
    if (rng.uniform() < 0.6) return boxes(rng, await composePicture(objects, seed, inQuarters));
    return recognising(rng, objects[0]!, []);
  },
};

/** Rows for `sft.rehearsal`. */
export function rehearsalRows(of: "moods" | "places", seed: number, count: number): Promise<RehearsalRow[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const path = ["rehearsal", of, i] as const;
      const { prompt, pieces } = await draws[of](createRng(seed, ...path), deriveSeed(seed, ...path));
      return { prompt, completion: pieces.map(textOf).join("") };
    }),
  );
}
