import { createRng, deriveSeed, type Example, type LabelDistribution } from "rise-ts";
import { composePicture } from "./compose";
import { type Mood, type MoodEmoji, moodGroups, moodLabels } from "./mood-labels";

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

/** Emoji of each mood that a seed keeps out of RISE's training. */
const keptOut = 5;

/**
 * Pictures of one emoji with the mood that people ascribe to it, dealt evenly over the emoji. Every seed keeps other emoji out: 5 of the 16 of each mood.
 */
export async function moods({ seed, train, test, unseen }: PartSizes): Promise<Parts<LabelDistribution>> {
  const shuffled = moodGroups.map((alike, i) => createRng(seed, "moods", "kept out", i).shuffle(alike));
  const familiar = shuffled.flatMap((alike) => alike.slice(keptOut));
  const novel = shuffled.flatMap((alike) => alike.slice(0, keptOut));
  const part = (name: string, count: number, emoji: readonly MoodEmoji[]) =>
    Promise.all(
      Array.from({ length: count }, (_, i) => {
        const round = createRng(seed, "moods", name, "round", Math.floor(i / emoji.length)).shuffle(emoji);
        return moodExample(`${name}-${i}`, deriveSeed(seed, "moods", name, i), round[i % emoji.length]!);
      }),
    );
  return {
    train: await part("train", train, familiar),
    test: await part("test", test, familiar),
    unseen: await part("unseen", unseen, novel),
  };
}

async function moodExample(id: string, seed: number, shown: MoodEmoji): Promise<Example<LabelDistribution>> {
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
