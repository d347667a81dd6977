import { feelings } from "./emotion-words";
import { type Words, wordSet } from "./rule";

const probabilityNouns =
  "probability probabilities likelihood confidence score scores chance chances odds certainty proportion percentage scale";

/** Nouns that take a number between 0 and 1, or between 1 and 10. */
export const probabilityWords = wordSet(probabilityNouns);
export const ratedNouns = wordSet(
  `${probabilityNouns} weight weights rating ratings intensity maximum minimum total level degree share strength value grade mark marks valence arousal dominance quality`,
);

/** Things that are rated, apart from moods. */
export const qualities = wordSet(
  "pain severity urgency danger risk hazard sarcasm irony elegance beauty clarity complexity energy drama chaos mystery absurdity novelty formality sincerity cuteness creativity activity damage effort pleasure comfort vividness realism",
);

/** Things that an annotation shares out, or the people who would share them out. */
export const sharedNouns = wordSet(
  "weight mass probability likelihood mood moods feeling feelings feel emotion emotions emotional impression impressions atmosphere reaction reactions response chance chances score confidence intensity tone sentiment viewers observers annotators raters respondents votes",
);

const moodNouns: ReadonlySet<string> = new Set([
  ...[...feelings.values()].map((family) => family[0]!),
  ..."affection aggression bliss cheer cheerfulness comfort compassion determination discomfort distress dread elation enthusiasm fatigue gloom hostility humor humour intimacy longing melancholy menace nervousness optimism peace peacefulness pessimism rage resentment restlessness sentimentality solemnity solitude stress suspense tension threat tranquility tranquillity unease unrest warmth weariness wistfulness wonder".split(
    " ",
  ),
]);

/** Nouns for moods, which an annotation may share out under any name: a listed word, or a quality ("cosiness"). */
export const moods: Words = {
  has: (word) => moodNouns.has(word) || (/...ness$/.test(word) && !noQualities.has(word)),
};
const noQualities = wordSet("witness eyewitness business harness wilderness illness sickness darkness lioness");

/** Words that weigh numbers against each other. */
export const weighing = wordSet(
  "odds outweigh outweighs outweighed outweighing ratio favour favor balance weighed weighs beats versus likelihood probability chance chances margin weigh weighing split",
);

/** Verbs that give a share to a feeling, or that a feeling does with its share. */
export const shareVerbs = wordSet(
  "accounts account goes belongs takes take gets receives claims makes make contributes earns deserves worth assign assigns give gives owes attribute attributed",
);

/** The image and its measures. */
export const pictures = wordSet("frame picture image photo photograph canvas");
export const extents = wordSet("width height breadth");
export const edges = wordSet("edge border side margin boundary");
export const sides: ReadonlySet<string> = new Set(["left", "right", "top", "bottom", ...edges]);

/** People who might be asked. */
export const people = wordSet(
  "person viewer observer onlooker people persons viewers observers onlookers annotators raters respondents readers",
);

/** Words beside a number that is a time. */
export const hours = wordSet(
  "clock watch hour hours morning evening night noon midnight time train shift show o'clock opens opened closes closed meet meets arrives leaves",
);

/** Words beside a number that is the score of a match. */
export const matches = wordSet("goal goals match team teams game games player players scoreboard");

/** Articles and pronouns: a number after them was mentioned before. */
export const determiners = wordSet(
  "the this that these those each every any all both his her their its our my no other last first next",
);
