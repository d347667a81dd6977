import { createRng, deriveSeed, type Example, type LabelDistribution } from "rise-ts";
import { composePicture, pick } from "./compose";
import { type Mood, type MoodEmoji, moodEmoji, moodLabels } from "./mood-labels";

export interface Parts<A> {
  readonly train: readonly Example<A>[];
  /** Pictures that training never shows, of emoji that it does. */
  readonly test: readonly Example<A>[];
  /** Pictures of emoji that training never shows. */
  readonly unseen: readonly Example<A>[];
}

export interface PartSizes {
  readonly seed: number;
  readonly train: number;
  readonly test: number;
  readonly unseen: number;
}

/** Emoji by their prevailing mood. */
type ByMood = readonly (readonly MoodEmoji[])[];

/**
 * Pictures of one emoji with the mood that people ascribe to it. Emoji of every prevailing mood are equally likely.
 */
export async function moods({ seed, train, test, unseen }: PartSizes): Promise<Parts<LabelDistribution>> {
  const part = (name: string, count: number, emoji: ByMood) =>
    Promise.all(
      Array.from({ length: count }, (_, i) => moodExample(`${name}-${i}`, deriveSeed(seed, "moods", name, i), emoji)),
    );
  return {
    train: await part("train", train, familiar),
    test: await part("test", test, familiar),
    unseen: await part("unseen", unseen, novel),
  };
}

/** One emoji in seven of each prevailing mood is kept out of RISE's training, whatever the seed of the pictures. */
const shuffled: ByMood = moodLabels.map((label) =>
  createRng(0, "moods", "kept out", label).shuffle(
    moodEmoji.filter(({ mood }) => mood[label] === Math.max(...Object.values(mood))),
  ),
);
const keptOut = (alike: readonly MoodEmoji[]) => Math.round(alike.length / 7);
const novel: ByMood = shuffled.map((alike) => alike.slice(0, keptOut(alike)));
const familiar: ByMood = shuffled.map((alike) => alike.slice(keptOut(alike)));

async function moodExample(id: string, seed: number, emoji: ByMood): Promise<Example<LabelDistribution>> {
  const rng = createRng(seed, "emoji");
  const shown = pick(rng, pick(rng, emoji));
  const { image } = await composePicture([shown], seed);
  return { id, image, annotation: inHundredths(shown.mood), metadata: { shows: [shown.name] } };
}

/** A distribution in hundredths that sum to 1: what is lost in rounding down goes to the largest remainders. */
export function inHundredths(mood: Mood): LabelDistribution {
  const hundredths = moodLabels.map((label) => mood[label] * 100);
  const floors = hundredths.map(Math.floor);
  const missing = 100 - floors.reduce((a, b) => a + b, 0);
  const byRemainder = moodLabels
    .map((_, i) => i)
    .sort((a, b) => hundredths[b]! - floors[b]! - (hundredths[a]! - floors[a]!) || a - b);
  for (const i of byRemainder.slice(0, missing)) floors[i]!++;
  return Object.fromEntries(moodLabels.map((label, i) => [label, floors[i]! / 100]));
}
