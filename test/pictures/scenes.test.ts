import { describe, expect, it } from "vitest";
import { scenes } from "../../examples/pictures/scenes";
import { sceneObjects } from "../../examples/pictures/vocabulary";
import { detection } from "../../src/tasks/detection";
import type { Example, RawImage } from "../../src/types";

const sizes = { seed: 3, train: 60, test: 20, unseen: 30 };
const parts = await scenes(sizes);
const everything = Object.values(parts).flat();
const shows = (example: Example<unknown>) => example.metadata!.shows as string[];
const pixels = (example: Example<unknown>) => Buffer.from((example.image as RawImage).data).toString("base64");
/** Pixels as one string: element by element they take long to compare. */
const comparable = (examples: readonly Example<unknown>[]) => examples.map((e) => ({ ...e, image: pixels(e) }));

describe("scenes", () => {
  it("are the same for the same seed", async () => {
    expect(comparable(Object.values(await scenes(sizes)).flat())).toEqual(comparable(everything));
  });

  it("show no picture twice, in whatever part", () => {
    expect(new Set(everything.map(pixels)).size).toBe(everything.length);
  });

  it("keep the objects of the unseen part out of training and test", () => {
    const familiar = new Set([...parts.train, ...parts.test].flatMap(shows));
    expect(parts.unseen.flatMap(shows).filter((name) => familiar.has(name))).toEqual([]);
  });

  it("ask for one of two or three different objects by its description, never by its name", () => {
    for (const { metadata, subject, ...example } of everything) {
      const target = sceneObjects.find(({ name }) => name === metadata!.target)!;
      expect(subject).toBe(target.gloss);
      expect(subject).not.toContain(target.name);
      const shown = shows({ ...example, metadata: metadata! });
      expect(shown).toContain(target.name);
      expect([2, 3]).toContain(shown.length);
      expect(new Set(shown).size).toBe(shown.length);
    }
  });

  it("have one box that the task accepts and reads back", () => {
    const task = detection({ single: true });
    for (const { id, annotation } of everything) {
      task.validate(annotation, id);
      expect(task.parse(task.format(annotation))).toEqual(annotation);
    }
  });

  it("put the target's box where the target is: the one listed there, from left to right", () => {
    for (const example of parts.train) {
      const at = shows(example).indexOf(example.metadata!.target as string);
      const middle = example.annotation[0]!.x + example.annotation[0]!.width / 2;
      if (shows(example).length === 2 && Math.abs(middle - 500) > 300) expect(at).toBe(middle < 500 ? 0 : 1);
    }
  });
});
