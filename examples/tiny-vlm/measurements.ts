import { createRng, deriveSeed, detection, detectionMetrics, imagePrompt, type Prompt, type VlmBackend } from "rise-ts";
import { composePicture, pick } from "../pictures/compose";
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
  new RegExp(`I see an? ${name}\\.`).test(text);

async function measureBoxes(backend: VlmBackend, pictures: number): Promise<string> {
  const task = detection(placeQuestion);
  const asked = await Promise.all(
    Array.from({ length: pictures }, async (_, i) => {
      const rng = createRng(heldOut, "boxes", i);
      const picture = await composePicture(
        rng.shuffle(sceneObjects).slice(0, 1 + (i % 3)),
        deriveSeed(heldOut, "boxes", i),
      );
      const at = pick(
        rng,
        picture.items.map((_, j) => j),
      );
      return {
        prompt: imagePrompt(picture.image, `Box of the ${picture.items[at]!.emoji.name}?`),
        truth: [picture.boxes[at]!],
      };
    }),
  );
  const texts = await written(
    backend,
    asked.map(({ prompt }) => prompt),
    30,
  );
  const outcomes = texts.map((text, i) => ({ truth: asked[i]!.truth, prediction: task.parse(text) }));
  const { ap50, meanIou } = detectionMetrics;
  return `box by name AP50 ${ap50(outcomes).toFixed(2)} (IoU ${meanIou(outcomes).toFixed(2)})`;
}

const share = (some: number, all: number) => `${((100 * some) / all).toFixed(0)} %`;
