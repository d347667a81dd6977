import { describe, expect, it } from "vitest";
import { categoryOf, kShot, splitPerClass } from "../../src/datasets/k-shot";
import { ConfigError, DataError } from "../../src/errors";

/** 30 examples of each class. */
const examples = ["a", "b", "c"].flatMap((category) =>
  Array.from({ length: 30 }, (_, i) => ({
    id: `${category}${i}`,
    image: `${category}${i}.png`,
    metadata: { category },
  })),
);
const ids = (drawn: readonly { readonly id: string }[]) => drawn.map(({ id }) => id);

describe("k shots", () => {
  it("are k of each class, in the data set's order", () => {
    const drawn = kShot(examples, 4, { by: categoryOf });
    for (const category of ["a", "b", "c"])
      expect(drawn.filter((example) => categoryOf(example) === category)).toHaveLength(4);
    expect(drawn).toEqual(examples.filter((example) => drawn.includes(example)));
  });

  it("are k in all without classes", () => {
    expect(kShot(examples, 16)).toHaveLength(16);
  });

  it("are among more shots of the same seed", () => {
    const sixteen = new Set(kShot(examples, 16, { by: categoryOf }));
    expect(kShot(examples, 4, { by: categoryOf }).filter((example) => !sixteen.has(example))).toEqual([]);
  });

  it("depend on ids and seed, not on the data set's order", () => {
    const drawn = ids(kShot(examples, 4, { by: categoryOf })).sort();
    expect(ids(kShot([...examples].reverse(), 4, { by: categoryOf })).sort()).toEqual(drawn);
    expect(ids(kShot(examples, 4, { by: categoryOf, seed: 1 })).sort()).not.toEqual(drawn);
  });

  it("are drawn evenly: each of 30 in about a thirtieth of 3000 draws of one", () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 3000; seed++)
      for (const id of ids(kShot(examples.slice(0, 30), 1, { seed }))) counts.set(id, (counts.get(id) ?? 0) + 1);
    // 100 ± 9.8 each; four standard deviations.
    for (const count of counts.values()) expect(Math.abs(count - 100)).toBeLessThan(40);
    expect(counts.size).toBe(30);
  });

  it("are refused of a class with fewer, of examples without a class, and of a k that is no count", () => {
    expect(() => kShot(examples, 31, { by: categoryOf })).toThrow(/expected at least 31 of a, got 30/);
    expect(() => kShot([{ id: "x", image: "x.png" }], 1, { by: categoryOf })).toThrow(DataError);
    expect(() => kShot(examples, 1.5)).toThrow(ConfigError);
    expect(() => kShot(examples, "4" as never)).toThrow(/expected k to be a whole number of at least 1, got "4"/);
  });

  it("are refused where by names no class, and of a data set that was not awaited", async () => {
    const by = ({ metadata }: (typeof examples)[number]) => (metadata as { nope?: string }).nope as string;
    expect(() => kShot(examples, 1, { by })).toThrow(
      new DataError("expected by to give the class of example a0 as text, got undefined"),
    );
    for (const waiting of [Promise.resolve(examples), { train: examples }])
      expect(() => kShot(waiting as never, 1)).toThrow(/to be an array; a data set .* has to be awaited/);
    expect(() => splitPerClass(Promise.resolve(examples) as never, { train: 1, test: 1 })).toThrow(DataError);
  });
});

describe("a split for each class", () => {
  it("has so many of each to train and to test, and no example in both", () => {
    const { train, test } = splitPerClass(examples, { train: 20, test: 10 });
    expect([train.length, test.length]).toEqual([60, 30]);
    expect(train.filter((example) => test.includes(example))).toEqual([]);
  });

  it("has no picture in both, though it serve two classes", () => {
    const twice = examples.map((example, i) => ({ ...example, image: `${i % 30}.png` }));
    const { train, test } = splitPerClass(twice, { train: 5, test: 5 });
    const tested = new Set(test.map(({ image }) => image));
    expect(train.filter(({ image }) => tested.has(image))).toEqual([]);
    expect(() => splitPerClass(twice, { train: 25, test: 5 })).toThrow(
      /expected at least 30 examples of a, 25 of them with pictures that no class is tested with; got 30 and \d+/,
    );
  });

  it("has no picture in both, though each example holds the same bytes anew", () => {
    const twice = examples.map((example, i) => ({ ...example, image: Uint8Array.of(i >> 1) }));
    const { train, test } = splitPerClass(twice, { train: 10, test: 5 }, 1);
    const tested = new Set(test.map(({ image }) => image[0]));
    expect(train.filter(({ image }) => tested.has(image[0]))).toEqual([]);
  });
});
