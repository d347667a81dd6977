import { describe, expect, it } from "vitest";
import { moodEmoji, moodGroups, moodLabels } from "../../examples/pictures/mood-labels";
import { inHundredths, moods } from "../../examples/pictures/moods";
import { classification } from "../../src/tasks/classification";
import type { Example, RawImage } from "../../src/types";

const sizes = { seed: 3, train: 60, test: 20, unseen: 30 };
const parts = await moods(sizes);
const everything = Object.values(parts).flat();
const byName = new Map(moodEmoji.map((emoji) => [emoji.name, emoji]));
const shows = (example: Example<unknown>) => example.metadata!.shows as string[];
const pixels = (example: Example<unknown>) => Buffer.from((example.image as RawImage).data).toString("base64");
/** Pixels as one string: element by element they take long to compare. */
const comparable = (examples: readonly Example<unknown>[]) => examples.map((e) => ({ ...e, image: pixels(e) }));

describe("moods", () => {
  it("are the same for the same seed and others for another", async () => {
    expect(comparable(Object.values(await moods(sizes)).flat())).toEqual(comparable(everything));
    const other = await moods({ seed: 4, train: 5, test: 0, unseen: 0 });
    expect(other.train.map(pixels)).not.toEqual(parts.train.slice(0, 5).map(pixels));
  });

  it("do not change when a part grows", async () => {
    const { train } = await moods({ ...sizes, train: 64 });
    expect(comparable(train.slice(0, 60))).toEqual(comparable(parts.train));
  });

  it("show no picture twice, in whatever part", () => {
    expect(new Set(everything.map(pixels)).size).toBe(everything.length);
    expect(new Set(everything.map(({ id }) => id)).size).toBe(everything.length);
  });

  it("keep 5 emoji of each mood out of training and test, other ones with another seed", async () => {
    const novel = (some: Example<unknown>[]) => [...new Set(some.flatMap(shows))].sort();
    const familiar = new Set([...parts.train, ...parts.test].flatMap(shows));
    expect(novel([...parts.unseen]).filter((name) => familiar.has(name))).toEqual([]);
    for (const alike of moodGroups)
      expect(alike.filter(({ name }) => novel([...parts.unseen]).includes(name))).toHaveLength(5);
    const { unseen } = await moods({ seed: 4, train: 0, test: 0, unseen: 15 });
    expect(novel([...unseen])).not.toEqual(novel([...parts.unseen]));
  });

  it("are dealt evenly over the emoji", () => {
    const counts = new Map<string, number>();
    for (const name of parts.unseen.flatMap(shows)) counts.set(name, (counts.get(name) ?? 0) + 1);
    expect([...counts.values()]).toEqual(Array(15).fill(2));
  });

  it("show one emoji, and are annotated with what people said of it, to the hundredth", () => {
    for (const example of everything) {
      const [name, ...others] = shows(example);
      expect(others).toEqual([]);
      for (const label of moodLabels) {
        expect(Math.abs(example.annotation[label]! - byName.get(name!)!.mood[label])).toBeLessThan(0.01);
      }
    }
  });

  it("sum to exactly 1 and are written and read back without loss", () => {
    const task = classification({ labels: moodLabels });
    for (const { id, annotation } of everything) {
      const hundredths = moodLabels.map((label) => Math.round(annotation[label]! * 100));
      expect(moodLabels.map((_, i) => hundredths[i]! / 100)).toEqual(moodLabels.map((label) => annotation[label]));
      expect(hundredths.reduce((a, b) => a + b, 0)).toBe(100);
      task.validate(annotation, id);
      expect(task.parse(task.format(annotation))).toEqual(annotation);
    }
  });
});

describe("a mood in hundredths", () => {
  const rounded = (negative: number, neutral: number, positive: number) =>
    Object.values(inHundredths({ negative, neutral, positive }));

  it("is itself where it is in hundredths", () => {
    expect(rounded(0.25, 0.25, 0.5)).toEqual([0.25, 0.25, 0.5]);
  });

  it("gives what is missing to the largest remainders, the first of equal ones", () => {
    expect(rounded(0.333, 0.333, 0.334)).toEqual([0.33, 0.33, 0.34]);
    expect(rounded(1 / 3, 1 / 3, 1 / 3)).toEqual([0.34, 0.33, 0.33]);
    expect(rounded(0.116, 0.116, 0.768)).toEqual([0.12, 0.11, 0.77]);
  });
});
