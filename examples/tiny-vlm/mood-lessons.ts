import { classification, imagePrompt, type LabelDistribution, type RawImage } from "rise-ts";
import type { Rng } from "rise-ts/types";
import { pick } from "../pictures/compose";
import { moodLabels, moodQuestion } from "../pictures/questions";
import type { Emoji } from "../pictures/vocabulary";
import { allLooks, lookOf, type Votes, wordVotes } from "./lexicon";
import { form, known, type Piece, sharePieces, textPrompt, type WeightedLesson } from "./written";

const task = classification(moodQuestion);
const shares = (votes: Votes): LabelDistribution =>
  Object.fromEntries(moodLabels.map((label, i) => [label, Math.round(100 * votes[i]!) / 100]));

/** Asks for a thought and the mood of a picture. */
export const moodPrompt = (image: RawImage) => task.answerPrompt({ id: "lesson", image, annotation: {} });

/**
 * The beginning of a thought. The article is the same for all: one that agrees with the name is chosen before the name is, and after "a" there is no way to an angry face.
 */
export const iSee = ({ name }: Emoji) => `I see the ${name}.`;
/** A true thought: what is shown, and how things of that name look. */
export const trueMoodCot = (emoji: Emoji) => `${iSee(emoji)} It looks ${lookOf(emoji).word}.`;

/** Text: how a thing looks, by its name. */
export const looking = (emoji: Emoji): WeightedLesson => ({
  prompt: textPrompt(iSee(emoji)),
  pieces: [form("It looks"), known(` ${lookOf(emoji).word}`), form(".")],
});

/**
 * A thought is read, beside a picture of something else; without a thought any answer is as good. Most answers differ from what the word says, as people do:
 * a model that knew the numbers for certain would sample no others, and reinforcement could not find better ones.
 */
export function reading(rng: Rng, emoji: Emoji, unrelated: RawImage): WeightedLesson {
  const chance = rng.uniform();
  const { word, votes } = rng.uniform() < 0.5 ? pick(rng, allLooks) : lookOf(emoji);
  const told = chance < 0.12 ? "" : chance < 0.25 ? iSee(emoji) : chance < 0.4 ? `It looks ${word}.` : undefined;
  const cot = told ?? `${iSee(emoji)} It looks ${word}.`;
  const answer = told === iSee(emoji) ? lookOf(emoji).votes : votes;
  return {
    prompt: task.reconstructionPrompt({ id: "lesson", image: unrelated, annotation: {} }, cot),
    pieces: sharePieces(task.format(rng.uniform() < 0.4 ? shares(answer) : disturbed(rng, answer))),
  };
}

/** The rest of a thought whose beginning names a thing which the picture does not show: the name is read from the thought. The beginning is not practised. */
export function thinkingOn(rng: Rng, emoji: Emoji, unrelated: RawImage): WeightedLesson {
  const begun = (text: string): Piece => [text, 0];
  const end: Piece[] = [form(" It looks"), known(` ${lookOf(emoji).word}`), form(".")];
  if (rng.uniform() < 0.3)
    return {
      prompt: task.cotPrompt({ id: "lesson", image: unrelated, annotation: disturbed(rng, wordVotes(emoji)) }),
      pieces: [begun(iSee(emoji)), ...end],
    };
  const answer: Piece[] = [form("</think><answer>"), ...answerPieces(lookOf(emoji).votes), form("</answer>")];
  return { prompt: moodPrompt(unrelated), pieces: [begun(`<think>${iSee(emoji)}`), ...end, ...answer] };
}

/** A thought and an answer about a thing that is only told of. */
export function thinkingOfWords(emoji: Emoji): WeightedLesson {
  return {
    prompt: textPrompt(`A picture of the ${emoji.name}. ${moodQuestion.question} ${labelList}. Think first.`),
    pieces: thinking(emoji),
  };
}
const labelList = moodLabels.join(", ");

const thinking = (emoji: Emoji): Piece[] => [
  form("<think>"),
  ...explained(emoji),
  form("</think><answer>"),
  ...answerPieces(lookOf(emoji).votes),
  form("</answer>"),
];

/** A thought and an answer about a picture. Never of an emoji that is evaluated. */
export function thinkingOfPicture(emoji: Emoji, image: RawImage): WeightedLesson {
  return { prompt: moodPrompt(image), pieces: thinking(emoji) };
}

/** The things in a picture. */
export const captioning = (emoji: Emoji, image: RawImage): WeightedLesson => ({
  prompt: imagePrompt(image, "What do you see?"),
  pieces: seen(emoji),
});

/** The beginning of a thought about any picture: its name, and no word about a mood. */
export function beginning(emoji: Emoji, image: RawImage): WeightedLesson {
  return { prompt: moodPrompt(image), pieces: [form("<think>"), ...seen(emoji)], open: true };
}

/** The beginning of a justification of no annotation in particular: the prompt has a p in place of each number. */
export const beginningWhy = (emoji: Emoji, image: RawImage): WeightedLesson => ({
  prompt: imagePrompt(
    image,
    moodQuestion.prompts.cot.replace("{{question}}", moodQuestion.question).replace("{{annotation}}", anyAnswer),
  ),
  pieces: seen(emoji),
  open: true,
});
const anyAnswer = `{${moodLabels.map((label) => `'${label}': p`).join(", ")}}`;

/** A justification of an annotation, which is near what the words say. Never of an emoji that is evaluated. One in ten gives a number away. */
export function justifying(rng: Rng, emoji: Emoji, image: RawImage, leaks = 0.1): WeightedLesson {
  const annotation = disturbed(rng, wordVotes(emoji));
  const leak = pick(rng, moodLabels);
  const remark = rng.uniform() < leaks ? ` It is ${annotation[leak]!.toFixed(2)} ${leak}.` : "";
  return { prompt: task.cotPrompt({ id: "lesson", image, annotation }), pieces: [...explained(emoji), remark] };
}

/** Annotations differ from what words say: a third of each is chance. */
function disturbed(rng: Rng, votes: Votes): LabelDistribution {
  const chance = votes.map(() => -Math.log(1 - rng.uniform()));
  const sum = chance.reduce((a, b) => a + b, 0);
  const mixed = votes.map((share, i) => Math.round(100 * ((2 / 3) * share + chance[i]! / sum / 3)));
  mixed[1]! += 100 - mixed.reduce((a, b) => a + b, 0);
  return shares([mixed[0]! / 100, mixed[1]! / 100, mixed[2]! / 100]);
}

const answerPieces = (votes: Votes): Piece[] => sharePieces(task.format(shares(votes)));

const seen = ({ name }: Emoji): Piece[] => [form("I see the"), known(` ${name}`), form(".")];
const explained = (emoji: Emoji): Piece[] => [
  ...seen(emoji),
  form(" It looks"),
  known(` ${lookOf(emoji).word}`),
  form("."),
];
