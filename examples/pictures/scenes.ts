import { type Box, createRng, deriveSeed, type Example } from "rise-ts";
import { quarter } from "./captions";
import { composePicture, inQuarters } from "./compose";
import type { PartSizes, Parts } from "./moods";
import { type SceneObject, sceneObjects } from "./vocabulary";

/** Objects that a seed keeps out of RISE's training. */
const keptOut = 10;

/**
 * Pictures of two or three objects, one of which is described without being named, as in LISA: find "device that wakes a sleeper at a preset
 * time". The annotation is its box, exact because the scenes are composed. Each object has a quarter of the picture to itself.
 */
export async function scenes({ seed, train, test, unseen }: PartSizes): Promise<Parts<readonly Box[]>> {
  const shuffled = createRng(seed, "scenes", "kept out").shuffle(sceneObjects);
  const [novel, familiar] = [shuffled.slice(0, keptOut), shuffled.slice(keptOut)];
  const part = (name: string, count: number, objects: readonly SceneObject[]) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        sceneExample(`${name}-${i}`, deriveSeed(seed, "scenes", name, i), objects),
      ),
    );
  return {
    train: await part("train", train, familiar),
    test: await part("test", test, familiar),
    unseen: await part("unseen", unseen, novel),
  };
}

async function sceneExample(
  id: string,
  seed: number,
  objects: readonly SceneObject[],
): Promise<Example<readonly Box[]>> {
  const rng = createRng(seed, "objects");
  const shown = rng.shuffle(objects).slice(0, 2 + rng.integer(2));
  const target = shown[0]!;
  const picture = await composePicture(shown, seed, inQuarters);
  const at = picture.items.findIndex(({ emoji }) => emoji.code === target.code);
  return {
    id,
    image: picture.image,
    annotation: [picture.boxes[at]!],
    subject: target.gloss,
    metadata: {
      target: target.name,
      shows: picture.items.map(({ emoji }) => emoji.name),
      places: picture.items.map(quarter),
    },
  };
}
