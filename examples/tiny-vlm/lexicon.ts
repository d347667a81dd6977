import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Emoji } from "../pictures/vocabulary";

/** Shares of negative, neutral and positive. */
export type Votes = readonly [negative: number, neutral: number, positive: number];

const packages = createRequire(import.meta.url);
const keywords = packages("emojilib") as Readonly<Record<string, readonly string[]>>;

/** Words as ten people rated each of them, from −4 to 4: VADER's lexicon (Hutto & Gilbert 2014). It rates words and emoticons, no emoji. */
const lexicon: ReadonlyMap<string, Votes> = new Map(
  readFileSync(packages.resolve("vader-sentiment/vader_lexicon.txt"), "utf8")
    .split("\n")
    .flatMap((line): [string, Votes][] => {
      const [word, , , ratings] = line.split("\t");
      if (ratings === undefined || !/^[a-z]+$/.test(word!)) return [];
      const votes = JSON.parse(ratings) as number[];
      const share = (counts: (vote: number) => boolean) => votes.filter(counts).length / votes.length;
      return [[word!, [share((v) => v < 0), share((v) => v === 0), share((v) => v > 0)]]];
    }),
);

/** The vote of somebody who knows none of the words. */
const unknown: Votes = [0.05, 0.85, 0.1];

/** The mood that the words for a thing tell: the mean over those that the lexicon knows, and one vote more. Nobody rated the emoji itself. */
export function wordVotes({ code, name }: Pick<Emoji, "code" | "name">): Votes {
  const words = new Set([name, ...keywordsOf(code)].flatMap((text) => text.toLowerCase().split(/[^a-z]+/)));
  const votes = [unknown, ...[...words].flatMap((word) => (lexicon.has(word) ? [lexicon.get(word)!] : []))];
  const share = (i: 0 | 1 | 2) => votes.reduce((sum, vote) => sum + vote[i], 0) / votes.length;
  return [share(0), share(1), share(2)];
}

/** Words that people look an emoji up by, without its name. */
export function keywordsOf(code: string): readonly string[] {
  const character = String.fromCodePoint(...code.split("-").map((point) => Number.parseInt(point, 16)));
  return (keywords[character] ?? keywords[`${character}\ufe0f`] ?? []).map((word) => word.replaceAll("_", " "));
}

/** Fifths of negative, neutral and positive, and a word for a thing that is like that. */
const looks: readonly (readonly [Votes, string])[] = [
  [[0, 1, 4], "bright"],
  [[0, 2, 3], "warm"],
  [[0, 3, 2], "lively"],
  [[0, 4, 1], "plain"],
  [[1, 4, 0], "calm"],
  [[1, 3, 1], "rough"],
  [[1, 1, 3], "playful"],
  [[2, 1, 2], "loud"],
  [[2, 2, 1], "sharp"],
  [[2, 3, 0], "dull"],
  [[3, 2, 0], "cold"],
  [[4, 1, 0], "hard"],
];

export interface Look {
  readonly word: string;
  readonly votes: Votes;
}

/** One in twenty disagrees with everything: a share of 0 would make the divergence from any other answer infinite. */
const share = (fifths: number) => 0.05 + (0.85 * fifths) / 5;

export const allLooks: readonly Look[] = looks.map(([fifths, word]) => ({
  word,
  votes: [share(fifths[0]), share(fifths[1]), share(fifths[2])],
}));

/** How a thing "looks": the word whose fifths come nearest to {@link wordVotes}, of equal ones the first. */
export function lookOf(emoji: Pick<Emoji, "code" | "name">): Look {
  const votes = wordVotes(emoji);
  const distance = (look: Look) => look.votes.reduce((sum, share, i) => sum + (share - votes[i]!) ** 2, 0);
  return allLooks.reduce((best, look) => (distance(look) < distance(best) ? look : best));
}
