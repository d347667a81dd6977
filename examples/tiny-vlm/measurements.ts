import {
  type Box,
  createRng,
  deriveSeed,
  detection,
  detectionMetrics,
  type Example,
  imagePrompt,
  type Prompt,
  type VlmBackend,
} from "rise-ts";
import { parseThinkAnswer } from "rise-ts/checks";
import { composePicture, inQuarters } from "../pictures/compose";
import evaluated from "../pictures/evaluated-emoji.json" with { type: "json" };
import { placeQuestion } from "../pictures/questions";
import { type Emoji, emojiByCode, sceneObjects } from "../pictures/vocabulary";
import { moodPrompt } from "./mood-lessons";

const heldOut = 999;
const places = detection(placeQuestion);

/** The likeliest texts. */
const written = async (backend: VlmBackend, prompts: readonly Prompt[], maxTokens: number) =>
  (await backend.generate(prompts, { seed: 0, temperature: 0, maxTokens })).map(([first]) => first!.text);

/** The share of evaluated emoji that a thought names rightly, and AP50 of boxes of objects asked for by name, on pictures of no lesson. */
export async function measureNames(backend: VlmBackend, pictures = 96): Promise<string> {
  const emoji = evaluated.map((code) => emojiByCode.get(code)!);
  const shown = Array.from({ length: pictures }, (_, i) => emoji[i % emoji.length]!);
  const prompts = await Promise.all(
    shown.map(async (one, i) => moodPrompt((await composePicture([one], deriveSeed(heldOut, "names", i))).image)),
  );
  const texts = await written(backend, prompts, 24);
  const named = texts.filter((text, i) => namesRightly(text, shown[i]!)).length;
  const looks = texts.filter((text) => /It looks \w+\./.test(text)).length;
  return `names ${share(named, pictures)}, says how it looks ${share(looks, pictures)}, ${await measureBoxes(backend, pictures)}`;
}

export const namesRightly = (text: string, { name }: Pick<Emoji, "name">) =>
  new RegExp(`I see the ${name}\\.`).test(text);

/** Boxes of objects asked for by name: the likeliest answer at once, and after a thought. */
async function measureBoxes(backend: VlmBackend, pictures: number): Promise<string> {
  const scenes = await Promise.all(
    Array.from({ length: pictures }, async (_, i) => {
      const shown = createRng(heldOut, "boxes", i)
        .shuffle(sceneObjects)
        .slice(0, 1 + (i % 3));
      const picture = await composePicture(shown, deriveSeed(heldOut, "boxes", i), inQuarters);
      const at = picture.items.findIndex(({ emoji }) => emoji.code === shown[0]!.code);
      return { image: picture.image, name: shown[0]!.name, truth: [picture.boxes[at]!] };
    }),
  );
  const truths = scenes.map(({ truth }) => truth);
  const ap50 = async (prompts: readonly Prompt[], maxTokens: number) =>
    ap50Of(await written(backend, prompts, maxTokens), truths);
  const direct = scenes.map(({ image, name }) => imagePrompt(image, `Box of the ${name}?`));
  const thought = scenes.map(({ image, name, truth }) =>
    places.answerPrompt({ id: "scene", image, annotation: truth, subject: name }),
  );
  return `box by name AP50 ${await ap50(direct, 30)}, after a thought ${await ap50(thought, 110)}`;
}

/** Parts of thoughts about scenes in which a thing is described: the list, the name, and whether its place is the list's. Then AP50 after them, and when a true thought is told. */
export async function measureScenes(
  backend: VlmBackend,
  scenes: readonly Example<readonly Box[]>[],
  trueCot: (scene: Example<readonly Box[]>) => string,
): Promise<string> {
  const thought = scenes.map((scene) => places.answerPrompt(scene));
  const told = scenes.map((scene) => places.reconstructionPrompt(scene, trueCot(scene)));
  const [texts, boxes] = [await written(backend, thought, 110), await written(backend, told, 40)];
  const parts = texts.map((text) => partsOf(parseThinkAnswer(text)?.think ?? ""));
  const truths = scenes.map((scene) => ({ ...partsOf(trueCot(scene)), box: scene.annotation }));
  const right = (is: (part: Thought, truth: Thought) => boolean) =>
    share(parts.filter((part, i) => is(part, truths[i]!)).length, scenes.length);
  const annotations = truths.map(({ box }) => box);
  return (
    `list right ${right((part, truth) => part.list === truth.list)}, name right ${right((part, truth) => part.name === truth.name)}, ` +
    `place as in the list ${right(({ list, name, place }) => list.includes(`the ${name} ${place}`))}, ` +
    `AP50 ${ap50Of(texts, annotations)}, told a true thought ${ap50Of(boxes, annotations)}`
  );
}

interface Thought {
  readonly list: string;
  readonly name: string;
  readonly place: string;
}

function partsOf(cot: string): Thought {
  const [, list = "", name = "", place = ""] = /^(.*?\.) It is the (.*) (\w+ \w+)\.$/.exec(cot) ?? [];
  return { list, name, place };
}

const ap50Of = (texts: readonly string[], truths: readonly (readonly Box[])[]) =>
  detectionMetrics
    .ap50(
      texts.map((text, i) => ({
        truth: truths[i]!,
        prediction: places.parse(parseThinkAnswer(text)?.answer ?? text),
      })),
    )
    .toFixed(2);

const share = (some: number, all: number) => `${((100 * some) / all).toFixed(0)} %`;
