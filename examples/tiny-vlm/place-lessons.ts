import { type Box, detection, imagePrompt, type Prompt, type RawImage } from "rise-ts";
import type { Rng } from "rise-ts/types";
import { place } from "../pictures/captions";
import { type Picture, pick } from "../pictures/compose";
import { placeQuestion } from "../pictures/questions";
import { type Emoji, sceneObjects } from "../pictures/vocabulary";
import { keywordsOf } from "./lexicon";
import { boxPieces, form, known, type WeightedLesson } from "./written";

const task = detection(placeQuestion);

interface Target {
  readonly name: string;
  /** "at the top left" */
  readonly place: string;
  readonly box: Picture["boxes"][number];
}

const targetOf = ({ items, boxes }: Picture, at: number): Target => ({
  name: items[at]!.emoji.name,
  place: place(items[at]!),
  box: boxes[at]!,
});
/** A true thought: which thing it is, and where. */
export const truePlaceCot = ({ name, place }: Pick<Target, "name" | "place">) => `It is the ${name} ${place}.`;

/** The box of each thing in a picture, or of one that is asked for by name. */
export function boxes(rng: Rng, picture: Picture): WeightedLesson {
  const { image, items } = picture;
  if (rng.uniform() < 0.5)
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

const textPrompt = (text: string): Prompt => [{ role: "user", content: [{ type: "text", text }] }];

/** Text, or beside a picture of something else: what a description is of. */
export function recognising(rng: Rng, emoji: Emoji, unrelated: RawImage, only?: "text"): WeightedLesson {
  const description = describing(rng, emoji);
  const pieces = [form("It is the"), known(` ${emoji.name}`)];
  const chance = rng.uniform();
  if (only === "text" || chance < 0.5)
    return { prompt: textPrompt(`Find: ${description}.`), pieces: [...pieces, form(".")] };
  const example = { id: "lesson", image: unrelated, annotation: [someBox(rng)], subject: description };
  if (chance < 0.65) return { prompt: task.cotPrompt(example), pieces, open: true };
  return { prompt: task.answerPrompt(example), pieces: [form("<think>"), ...pieces], open: true };
}

function someBox(rng: Rng): Box {
  const [width, height] = [360 + rng.integer(120), 360 + rng.integer(120)];
  return { space: "thousand", x: rng.integer(1000 - width), y: rng.integer(1000 - height), width, height };
}

/** The three prompts of RISE. The description is a name where the objects are evaluated. */
export function finding(rng: Rng, picture: Picture, described: boolean): WeightedLesson {
  const at = rng.integer(picture.items.length);
  const target = targetOf(picture, at);
  const subject = described ? describing(rng, picture.items[at]!.emoji) : target.name;
  const example = { id: "lesson", image: picture.image, annotation: [target.box], subject };
  const answer = boxPieces(task.format(example.annotation));
  const cot = truePlaceCot(target);
  const thought = [form("It is the"), known(` ${target.name}`), ` ${target.place}`, form(".")];
  return pick<() => WeightedLesson>(rng, [
    () => {
      const remark = rng.uniform() < 0.1 ? ` It begins at ${target.box.x} of 1000.` : "";
      return { prompt: task.cotPrompt(example), pieces: [...thought, remark] };
    },
    () => {
      const told = rng.uniform() < 0.12 ? "" : rng.uniform() < 0.3 ? `It is the ${target.name}.` : cot;
      return { prompt: task.reconstructionPrompt(example, told), pieces: answer };
    },
    () => ({
      prompt: task.answerPrompt(example),
      pieces: [form("<think>"), ...thought, form("</think><answer>"), ...answer, form("</answer>")],
    }),
  ])();
}
