import { createRng, deriveSeed, detection, detectionMetrics, imagePrompt, type Prompt, type VlmBackend } from "rise-ts";
import { parseThinkAnswer } from "rise-ts/checks";
import { composePicture, inQuarters } from "../pictures/compose";
import evaluated from "../pictures/evaluated-emoji.json" with { type: "json" };
import { placeQuestion } from "../pictures/questions";
import { type Emoji, emojiByCode, sceneObjects } from "../pictures/vocabulary";
import { moodPrompt } from "./mood-lessons";

const heldOut = 999;

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
  const task = detection(placeQuestion);
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
  const ap50 = async (prompts: readonly Prompt[], maxTokens: number) => {
    const texts = await written(backend, prompts, maxTokens);
    const outcomes = texts.map((text, i) => ({
      truth: scenes[i]!.truth,
      prediction: task.parse(parseThinkAnswer(text)?.answer ?? text),
    }));
    return detectionMetrics.ap50(outcomes).toFixed(2);
  };
  const direct = scenes.map(({ image, name }) => imagePrompt(image, `Box of the ${name}?`));
  const thought = scenes.map(({ image, name, truth }) =>
    task.answerPrompt({ id: "scene", image, annotation: truth, subject: name }),
  );
  return `box by name AP50 ${await ap50(direct, 30)}, after a thought ${await ap50(thought, 110)}`;
}

const share = (some: number, all: number) => `${((100 * some) / all).toFixed(0)} %`;
