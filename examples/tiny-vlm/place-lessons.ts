import { detection, imagePrompt, type RawImage } from "rise-ts";
import type { Rng } from "rise-ts/types";
import { quarter, quarters } from "../pictures/captions";
import { type Picture, pick } from "../pictures/compose";
import { placeQuestion } from "../pictures/questions";
import { type Emoji, sceneObjects } from "../pictures/vocabulary";
import { keywordsOf } from "./lexicon";
import { boxPieces, form, known, type Piece, textOf, textPrompt, type WeightedLesson } from "./written";

const task = detection(placeQuestion);

interface NamedPlace {
  readonly name: string;
  /** "top left" */
  readonly place: string;
}

interface Target extends NamedPlace {
  readonly box: Picture["boxes"][number];
}

const targetOf = ({ items, boxes }: Picture, at: number): Target => ({
  name: items[at]!.emoji.name,
  place: quarter(items[at]!),
  box: boxes[at]!,
});

/**
 * A thought: what is there, one thing after the other as a look goes over the picture, and which of it is described. The place follows the name at once both
 * times: what followed the same word before is all that has to be found.
 */
const thought = (shown: readonly NamedPlace[], target: NamedPlace): Piece[] => [
  ...look(shown, ({ name, place }) => [known(` ${name}`), ` ${place}`]),
  ...found(target),
];

const look = (shown: readonly NamedPlace[], pieces: (thing: NamedPlace) => readonly Piece[]): Piece[] => [
  form("I see"),
  ...shown.flatMap((thing, i): Piece[] => [...(i === 0 ? [] : [known(",")]), form(" the"), ...pieces(thing)]),
  known("."),
];

const found = ({ name, place }: NamedPlace): Piece[] => [
  form(" It is the"),
  known(` ${name}`),
  known(` ${place}`),
  form("."),
];

/** The same as text. */
export const truePlaceCot = (shown: readonly NamedPlace[], target: NamedPlace): string =>
  thought(shown, target).map(textOf).join("");

/** The box of each thing in a picture, or of one that is asked for by name. */
export function boxes(rng: Rng, picture: Picture): WeightedLesson {
  const { image, items } = picture;
  if (rng.uniform() < 0.55)
    return {
      prompt: imagePrompt(image, "Box everything."),
      pieces: items.flatMap((_, at) => {
        const { name, place, box } = targetOf(picture, at);
        return [
          form(at === 0 ? "" : ","),
          known(`${at === 0 ? "" : " "}${name}`),
          ` ${place}`,
          form(" "),
          ...boxPieces(task.format([box])),
        ];
      }),
    };
  const { name, box } = targetOf(picture, rng.integer(items.length));
  return { prompt: imagePrompt(image, `Box of the ${name}?`), pieces: boxPieces(task.format([box])) };
}

/** The place of a thing by name, in words. */
export function placing(rng: Rng, picture: Picture): WeightedLesson {
  const target = targetOf(picture, rng.integer(picture.items.length));
  return { prompt: imagePrompt(picture.image, `Where is the ${target.name}?`), pieces: [target.place, form(".")] };
}

/** A description without the name: an object's gloss, or two words by which people look an emoji up. */
export function describing(rng: Rng, emoji: Emoji): string {
  const gloss = sceneObjects.find(({ code }) => code === emoji.code)?.gloss;
  if (gloss !== undefined) return gloss;
  const stems = emoji.name.split(" ").map((word) => word.replace(/s$/, ""));
  const words = keywordsOf(emoji.code).filter(
    (word) => /^[a-z ]+$/.test(word) && !stems.some((stem) => word.includes(stem)),
  );
  return rng.shuffle(words).slice(0, 2).join(", ") || emoji.kind;
}

/** Text: what a description is of, by itself or among things that are told of. */
export function recognising(rng: Rng, emoji: Emoji, others: readonly Emoji[]): WeightedLesson {
  const description = describing(rng, emoji);
  if (rng.uniform() < 0.4)
    return {
      prompt: textPrompt(`Find: ${description}.`),
      pieces: [form("It is the"), known(` ${emoji.name}`), form(".")],
    };
  const places = rng.shuffle(quarters);
  const shown = rng.shuffle([emoji, ...others]).map(({ name }, i) => ({ name, place: places[i]! }));
  const told = shown.map(({ name, place }) => `the ${name} ${place}`).join(", ");
  const target = shown.find(({ name }) => name === emoji.name)!;
  return {
    prompt: textPrompt(`A picture of ${told}. Find: ${description}. Think first.`),
    pieces: [form("<think>"), ...thought(shown, target)],
    open: true,
  };
}

/** A look over another picture: which of its things is described, its place and its box are read from the text. The look is not practised. */
export function choosing(rng: Rng, other: Picture, unrelated: RawImage): WeightedLesson {
  const at = rng.integer(other.items.length);
  const target = targetOf(other, at);
  const shown = other.items.map((_, i) => targetOf(other, i));
  const example = {
    id: "lesson",
    image: unrelated,
    annotation: [target.box],
    subject: describing(rng, other.items[at]!.emoji),
  };
  const answer = boxPieces(task.format(example.annotation));
  if (rng.uniform() < 0.3)
    return { prompt: task.reconstructionPrompt(example, truePlaceCot(shown, target)), pieces: answer };
  const told = `<think>${look(shown, ({ name, place }) => [` ${name} ${place}`])
    .map(textOf)
    .join("")}`;
  return {
    prompt: task.answerPrompt(example),
    pieces: [[told, 0], ...found(target), form("</think><answer>"), ...answer, form("</answer>")],
  };
}

/** The three prompts of RISE. The description is a name where the objects are evaluated. */
export function finding(rng: Rng, picture: Picture, described: boolean): WeightedLesson {
  const at = rng.integer(picture.items.length);
  const target = targetOf(picture, at);
  const subject = described ? describing(rng, picture.items[at]!.emoji) : target.name;
  const example = { id: "lesson", image: picture.image, annotation: [target.box], subject };
  const answer = boxPieces(task.format(example.annotation));
  const shown = picture.items.map((_, i) => targetOf(picture, i));
  const cot = thought(shown, target);
  return pick<() => WeightedLesson>(rng, [
    () => {
      const remark = rng.uniform() < 0.1 ? ` It begins at ${target.box.x} of 1000.` : "";
      return { prompt: task.cotPrompt(example), pieces: [...cot, remark] };
    },
    () => {
      const told =
        rng.uniform() < 0.12 ? "" : rng.uniform() < 0.3 ? truePlaceCot([target], target) : truePlaceCot(shown, target);
      return { prompt: task.reconstructionPrompt(example, told), pieces: answer };
    },
    () => ({
      prompt: task.answerPrompt(example),
      pieces: [form("<think>"), ...cot, form("</think><answer>"), ...answer, form("</answer>")],
    }),
  ])();
}
