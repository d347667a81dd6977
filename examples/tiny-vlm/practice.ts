import {
  classification,
  createRng,
  deriveSeed,
  detection,
  type Example,
  imagePrompt,
  type LabelDistribution,
  type Prompt,
  type Task,
} from "rise-ts";
import type { Rng } from "rise-ts/types";
import { describe, numericRemark, place } from "../pictures/captions";
import { composePicture, type Picture, pick } from "../pictures/compose";
import { type Emoji, emojiByCode, sceneObjects } from "../pictures/vocabulary";
import vocabulary from "./known-emoji.json" with { type: "json" };
import { practiceQuestions, practiceWords } from "./words";

/** One lesson: a prompt with a picture, and what to write. */
export interface Lesson {
  readonly prompt: Prompt;
  readonly completion: string;
}

/** Things that the tiny model learns to name. Their human mood ratings are not read here, nor anywhere in its training. */
const knownEmoji: readonly Emoji[] = [
  ...new Map([...vocabulary.map((code) => emojiByCode.get(code)!), ...sceneObjects].map((e) => [e.code, e])).values(),
];

const captionPrompts = [
  "Describe the picture.",
  "What do you see?",
  "What is shown here?",
  "Describe what is there and where.",
];

/** Lesson `index` of the first part: name the one thing in a picture. Every token depends on what is seen. */
export async function naming(seed: number, index: number): Promise<Lesson> {
  const rng = createRng(seed, "naming", index);
  const emoji = pick(rng, knownEmoji);
  const { image } = await composePicture([emoji], deriveSeed(seed, "naming picture", index));
  return { prompt: imagePrompt(image, "What is it?"), completion: emoji.name };
}

/** Lesson `index` of the second part: name every thing in a picture, or the one in a place. */
export async function looking(seed: number, index: number): Promise<Lesson> {
  const rng = createRng(seed, "looking", index);
  const picture = await somePicture(rng, deriveSeed(seed, "looking picture", index));
  return rng.uniform() < 0.7 ? listingLesson(picture) : pointingLesson(rng, picture);
}

/** Lesson `index` of the third part: more looking, and the three prompts of RISE with annotations that have nothing to do with moods. */
export async function practice(seed: number, index: number): Promise<Lesson> {
  const rng = createRng(seed, "practice", index);
  const kind = rng.uniform();
  const pictureSeed = deriveSeed(seed, "practice picture", index);
  if (kind < 0.15) return boxLesson(rng, await somePicture(rng, pictureSeed, sceneObjects, 2));
  const picture = await somePicture(rng, pictureSeed);
  if (kind < 0.4) return listingLesson(picture);
  if (kind < 0.5) return pointingLesson(rng, picture);
  if (kind < 0.65) return captionLesson(rng, picture);
  return kind < 0.85 ? shareLesson(rng, picture) : wordLesson(rng, picture);
}

/** Lesson `index` of the last part: above all the three prompts, whose labels have to be copied and not made up. */
export async function exercise(seed: number, index: number): Promise<Lesson> {
  const rng = createRng(seed, "exercise", index);
  const kind = rng.uniform();
  const pictureSeed = deriveSeed(seed, "exercise picture", index);
  if (kind < 0.15) return boxLesson(rng, await somePicture(rng, pictureSeed, sceneObjects, 2));
  if (kind < 0.2) return naming(seed, 1_000_000 + index);
  const picture = await somePicture(rng, pictureSeed);
  if (kind < 0.3) return rng.uniform() < 0.7 ? listingLesson(picture) : pointingLesson(rng, picture);
  if (kind < 0.42) return captionLesson(rng, picture);
  return kind < 0.72 ? shareLesson(rng, picture) : wordLesson(rng, picture);
}

async function somePicture(
  rng: Rng,
  seed: number,
  emoji: readonly Emoji[] = knownEmoji,
  atLeast = 1,
): Promise<Picture> {
  const count = atLeast + rng.integer(4 - atLeast);
  const shown = new Set<Emoji>();
  while (shown.size < count) shown.add(pick(rng, emoji));
  return composePicture([...shown], seed);
}

/** Everything there is, with its place and nothing else: the most names for a token. */
function listingLesson({ image, items }: Picture): Lesson {
  const completion = items.map((item) => `${item.emoji.name} ${place(item)}`).join(", ");
  return { prompt: imagePrompt(image, "What is where?"), completion };
}

function captionLesson(rng: Rng, picture: Picture): Lesson {
  return { prompt: imagePrompt(picture.image, pick(rng, captionPrompts)), completion: describe(picture, rng) };
}

/** The thing in one place: short, and every token depends on what is seen there. */
function pointingLesson(rng: Rng, picture: Picture): Lesson {
  const places = picture.items.map(place);
  const clear = picture.items.filter((_, i) => places.indexOf(places[i]!) === places.lastIndexOf(places[i]!));
  const { emoji, ...where } = pick(rng, clear.length > 0 ? clear : picture.items);
  return { prompt: imagePrompt(picture.image, `What is ${place(where)}?`), completion: emoji.name };
}

/** The share of what is shown by kind, side or way of drawing: numbers that can be seen in the picture. */
function shareLesson(rng: Rng, picture: Picture): Lesson {
  const labelOf = pick(rng, [
    {
      of: (i: Picture["items"][number]) => i.emoji.kind,
      all: ["face", "heart", "animal", "food", "plant", "person", "hand", "sky", "thing", "sign"],
    },
    { of: (i: Picture["items"][number]) => (i.x + i.size / 2 < 56 ? "left" : "right"), all: ["left", "right"] },
    { of: (i: Picture["items"][number]) => (i.style === "fluent" ? "glossy" : "flat"), all: ["glossy", "flat"] },
    { of: (i: Picture["items"][number]) => (i.large ? "large" : "small"), all: ["large", "small"] },
  ]);
  const present = [...new Set(picture.items.map(labelOf.of))];
  const absent = rng.shuffle(labelOf.all.filter((label) => !present.includes(label)));
  const labels = rng.shuffle([...present, ...absent.slice(0, Math.max(1, 3 - present.length))]);
  const shares = labels.map((label) => picture.items.filter((item) => labelOf.of(item) === label).length);
  return labelLesson(rng, picture, labels, shares);
}

/** Any words as labels, with random numbers. */
function wordLesson(rng: Rng, picture: Picture): Lesson {
  const labels =
    rng.uniform() < 0.3
      ? rng.shuffle(practiceWords.slice(0, 3))
      : rng.shuffle(practiceWords).slice(0, 2 + rng.integer(3));
  const sharpness = pick(rng, [0.5, 1, 2]);
  const weights = labels.map(() => (-Math.log(1 - rng.uniform())) ** sharpness + 1e-3);
  return labelLesson(rng, picture, labels, weights);
}

function labelLesson(rng: Rng, picture: Picture, labels: readonly string[], weights: readonly number[]): Lesson {
  const task = classification({ labels, question: pick(rng, practiceQuestions) });
  return taskLesson(rng, picture, task, hundredths(labels, weights));
}

/** One object, asked for by name. */
function boxLesson(rng: Rng, picture: Picture): Lesson {
  const at = rng.integer(picture.items.length);
  const target = picture.items[at]!;
  const others = picture.items.filter((_, i) => i !== at).map((item) => `the ${item.emoji.name} is ${place(item)}`);
  const cot = `The ${target.emoji.name} is ${place(target)}${others.length > 0 ? `, and ${others.join(", and ")}` : ""}.`;
  return taskLesson(rng, picture, detection({ single: true }), [picture.boxes[at]!], target.emoji.name, cot);
}

function taskLesson<A>(
  rng: Rng,
  picture: Picture,
  task: Task<A>,
  annotation: A,
  subject?: string,
  story = describe(picture, rng),
): Lesson {
  const example: Example<A> = {
    id: "practice",
    image: picture.image,
    annotation,
    ...(subject !== undefined && { subject }),
  };
  const cot = rng.uniform() < 0.25 ? story + numericRemark(picture, rng) : story;
  const answer = task.format(annotation);
  return pick(rng, [
    () => ({ prompt: task.cotPrompt(example), completion: cot }),
    () => ({ prompt: task.reconstructionPrompt(example, cot), completion: answer }),
    () => ({ prompt: task.answerPrompt(example), completion: `<think>${cot}</think><answer>${answer}</answer>` }),
  ])();
}

/** Weights as hundredths that sum to 1. */
function hundredths(labels: readonly string[], weights: readonly number[]): LabelDistribution {
  const total = weights.reduce((a, b) => a + b, 0);
  const floors = weights.map((weight) => Math.floor((weight / total) * 100));
  const largest = floors.indexOf(Math.max(...floors));
  floors[largest]! += 100 - floors.reduce((a, b) => a + b, 0);
  return Object.fromEntries(labels.map((label, i) => [label, floors[i]! / 100]));
}
