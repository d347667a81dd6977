import { describe, expect, it } from "vitest";
import { lessonsOf } from "../../examples/demo/arms";
import { differenceTable } from "../../examples/demo/differences";
import type { Scores } from "../../examples/demo/measure";
import { calibratedPrior } from "../../examples/demo/prior";
import type { SeedResult } from "../../examples/demo/run-seed";
import { moodsDemo } from "../../examples/demo/tasks";
import { moodEmoji } from "../../examples/pictures/mood-labels";
import { inHundredths } from "../../examples/pictures/moods";
import type { RatedCot } from "../../src/rollouts";
import type { Example, LabelDistribution } from "../../src/types";

/** Pictures are not looked at here. */
const examples: readonly Example<LabelDistribution>[] = moodEmoji.map(({ code, name, mood }) => ({
  ...{ id: code, image: "", annotation: inHundredths(mood), metadata: { shows: [name] } },
}));
const jsd = (predict: (example: Example<LabelDistribution>) => LabelDistribution, asked = examples) =>
  moodsDemo.metrics.jsd!(asked.map((example) => ({ truth: example.annotation, prediction: predict(example) })));

describe("the words for an emoji", () => {
  it("are nearer to what people say than a uniform answer, and nearer still when training calibrates them", () => {
    const [uniform, mean, words, calibrated] = ["uniform", "training mean", "words, no model", "words, calibrated"].map(
      (name) =>
        [0, 1, 2].reduce((sum, fold) => {
          const [train, asked] = [true, false].map((kept) => examples.filter((_, i) => (i % 3 === fold) !== kept));
          return sum + jsd(moodsDemo.references[name]!(train!), asked!) / 3;
        }, 0),
    );
    expect([calibrated! < words!, words! < mean!, mean! < uniform!]).toEqual([true, true, true]);
  });

  it("are calibrated to the annotations of an emoji's likes: to the one annotation there is", () => {
    const [only] = examples;
    const predicted = calibratedPrior([only!])(examples[20]!);
    for (const [label, share] of Object.entries(only!.annotation)) expect(predicted[label]).toBeCloseTo(share, 9);
  });
});

describe("the cots of an arm", () => {
  const kept: readonly RatedCot<LabelDistribution>[] = examples.slice(0, 6).map(({ id, annotation }) => ({
    ...{ exampleId: id, annotation, cot: `about ${id}`, reward: 1 },
  }));

  it("are RISE's own, or bare answers about every picture", () => {
    expect(lessonsOf("cots", examples, kept, 0)).toBe(kept);
    const bare = lessonsOf("bare answers", examples, kept, 0);
    expect(bare.map(({ exampleId, cot }) => [exampleId, cot])).toEqual(examples.map(({ id }) => [id, ""]));
  });

  it("are each another picture's when they are exchanged: all of them, and none in its place", () => {
    const exchanged = lessonsOf("exchanged", examples, kept, 0);
    expect(exchanged.map(({ cot }) => cot).sort()).toEqual(kept.map(({ cot }) => cot).sort());
    for (const { exampleId, cot } of exchanged) expect(cot).not.toBe(`about ${exampleId}`);
  });
});

describe("the table of differences", () => {
  const scores = (values: readonly number[]): Scores => ({
    metrics: {},
    each: values.map((value, i) => ({ shows: `thing ${Math.floor(i / 2)}`, value })),
  });
  const seed = (rise: readonly number[], other: readonly number[]) =>
    ({
      better: "lower",
      rows: {
        other: { test: scores(other), unseen: scores(other) },
        RISE: { test: scores(rise), unseen: scores(rise) },
      },
    }) as unknown as SeedResult;

  it("is the mean over seeds of the mean over things, with the seeds in which RISE is ahead", () => {
    const { rows, header } = differenceTable([seed([0, 0, 0.2, 0.2], [0.1, 0.1, 0.4, 0.4]), seed([0.3], [0.2])]);
    expect(header).toEqual(["", "test", "unseen"]);
    expect(rows).toHaveLength(1);
    const [label, test] = rows[0]!;
    expect(label).toBe("other");
    // −0.1 and −0.2 of the first seed, +0.1 of the second.
    expect(test).toMatch(/^−0\.025 \[−\d\.\d{3}, \+\d\.\d{3}\], 1 of 2$/);
  });

  it("draws things and not pictures, of which two show each thing", () => {
    const { rows } = differenceTable([seed([0, 0, 1, 1, 2, 2, 3, 3], Array(8).fill(0))]);
    const [, low, high] = /\[(.*), (.*)\]/.exec(rows[0]![1]!)!.map(Number);
    // The standard error of four things is 0.56, of eight pictures 0.4.
    expect(high! - low!).toBeGreaterThan(1.9);
    expect(high! - low!).toBeLessThan(2.5);
  });
});
