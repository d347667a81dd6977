import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors";
import { bootstrapInterval, type Counts, weightedMean } from "../../src/metrics/bootstrap";
import { meanMetric, weightedMetric } from "../../src/metrics/metric";
import type { Outcome } from "../../src/metrics/outcome";
import { exchangePValue } from "../../src/metrics/permutation";
import { classificationMetrics, detectionMetrics } from "../../src/metrics/task-metrics";
import { createRng } from "../../src/rng";
import type { Box, LabelDistribution } from "../../src/types";
import { metricCases } from "../reference/metrics/cases";
import { recordedCounts } from "../reference/metrics/figures";

const normals = (count: number, ...path: (string | number)[]) => {
  const rng = createRng(0, ...path);
  return Array.from({ length: count }, () => rng.normal());
};

describe("bootstrapInterval", () => {
  it("draws as many examples as there are, with replacement, the same for the same seed", () => {
    const drawn: number[][] = [];
    const note = (counts: Counts) => drawn.push([...counts]);
    bootstrapInterval(5, note, { resamples: 300 });
    bootstrapInterval(5, note, { resamples: 300 });
    expect(drawn.slice(300)).toEqual(drawn.slice(0, 300));
    expect(new Set(drawn.map((counts) => counts.reduce((sum, count) => sum + count, 0)))).toEqual(new Set([5]));
    expect(Math.max(...drawn.flat())).toBeGreaterThan(2);
    bootstrapInterval(5, note, { resamples: 300, seed: 1 });
    expect(drawn.slice(600)).not.toEqual(drawn.slice(0, 300));
  });

  it("holds the true mean as often as its level says: in 95 of 100 samples, in 80 of 100", () => {
    for (const level of [0.95, 0.8]) {
      const samples = Array.from({ length: 400 }, (_, n) => normals(50, "coverage", n));
      const held = samples.filter((values, seed) => {
        const { low, high } = bootstrapInterval(50, weightedMean(values), { level, seed, resamples: 500 });
        return low <= 0 && 0 <= high;
      });
      // The percentile bootstrap of 50 is a little narrow; √(level · (1 − level) / 400) is 0.011 and 0.02.
      expect(held.length / samples.length).toBeGreaterThan(level - 0.045);
      expect(held.length / samples.length).toBeLessThan(level + 0.035);
    }
  });

  it("is the mean ± 1.96 standard errors of many numbers, as the central limit theorem says", () => {
    const values = normals(2000, "limit");
    const { low, high } = bootstrapInterval(2000, weightedMean(values));
    const center = values.reduce((sum, value) => sum + value, 0) / 2000;
    const error = Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0)) / 2000;
    expect((high - center) / error).toBeCloseTo(1.96, 0);
    expect((center - low) / error).toBeCloseTo(1.96, 0);
  });

  it("takes its ends from between the values that are nearest, as NumPy's quantiles do", () => {
    let next = 0;
    // Four resamples of values 0, 1, 2, 3: a tenth of the way is 0.3, nine tenths 2.7.
    const { low, high } = bootstrapInterval(1, () => next++, { resamples: 4, level: 0.8 });
    expect([low, high]).toEqual([expect.closeTo(0.3, 12), expect.closeTo(2.7, 12)]);
  });

  it("leaves out resamples for which there is no value", () => {
    const { low, high } = bootstrapInterval(4, (counts) => (counts[0] === 0 ? Number.NaN : 1));
    expect([low, high]).toEqual([1, 1]);
  });

  it.each([-1, 1.5, Number.NaN])("refuses the size %d", (size) => {
    expect(() => bootstrapInterval(size, () => 1)).toThrow(/expected size to be a whole number of at least 0, got/);
  });

  it("refuses a level or a number of resamples that makes no sense", () => {
    for (const level of [0, 1, Number.NaN]) expect(() => bootstrapInterval(3, () => 0, { level })).toThrow(ConfigError);
    for (const resamples of [0, 1.5]) expect(() => bootstrapInterval(3, () => 0, { resamples })).toThrow(ConfigError);
  });
});

describe("exchangePValue", () => {
  /** The interval of the mean difference of pairs. */
  const signFlip = (differences: readonly number[], options = {}) => {
    const mean = (flipped: Uint8Array) =>
      differences.reduce((sum, value, i) => sum + (flipped[i] ? -value : value), 0) / differences.length;
    return exchangePValue(differences.length, mean, options);
  };

  it("counts all exchanges of a few pairs: of 2⁵, only none and all of them are as extreme as five wins", () => {
    expect(signFlip([1, 1, 1, 1, 1])).toBe(2 / 32);
    // Σ = ±3 or ±5: one of five exchanged, or none, either way.
    expect(signFlip([1, 1, 1, 1, -1])).toBe(12 / 32);
    expect(signFlip([0.1, 0.2, 0.3])).toBe(2 / 8);
  });

  it("is 1 where nothing differs, and never 0", () => {
    expect(signFlip([0, 0, 0])).toBe(1);
    expect(signFlip(Array(40).fill(0))).toBe(1);
    expect(signFlip(Array(40).fill(1), { resamples: 99 })).toBe(0.01);
  });

  it("is the same from both sides and for the same seed", () => {
    const differences = normals(30, "sides").map((value) => value + 0.3);
    expect(signFlip(differences.map((value) => -value))).toBe(signFlip(differences));
    expect(signFlip(differences, { seed: 1 })).not.toBe(signFlip(differences));
  });

  it("is below 0.05 in one of twenty comparisons of equal systems", () => {
    const found = Array.from({ length: 400 }, (_, n) => signFlip(normals(20, "null", n), { resamples: 200, seed: n }));
    const share = found.filter((p) => p <= 0.05).length / found.length;
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.08);
  });
});

describe("a metric of a resample", () => {
  const box = ([x, y, width, height]: readonly number[]): Box => ({
    ...{ space: "thousand", x: x!, y: y!, width: width!, height: height! },
  });
  const { detections, distributions } = metricCases(0, recordedCounts);
  const boxes = detections.map((rows): Outcome<readonly Box[]>[] =>
    rows.map(({ category, truth, crowds, prediction }) => {
      return { category, truth: truth.map(box), crowds: crowds.map(box), prediction: prediction.map(box) };
    }),
  );
  const labels = (values: readonly number[]): LabelDistribution =>
    Object.fromEntries(values.map((value, i) => [`${i}`, value]));
  const moods = distributions.map(([truth, prediction]): Outcome<LabelDistribution> => {
    return { truth: labels(truth), prediction: labels(prediction) };
  });
  const countedOut = <T>(rows: readonly T[], counts: Counts) =>
    rows.flatMap((row, i) => Array.from({ length: counts[i]! }, () => row));
  const someCounts = (size: number, n: number) => {
    const rng = createRng(n, "counts");
    return Uint32Array.from({ length: size }, () => rng.integer(4));
  };

  it("equals the bootstrap of the examples counted out: JSD, accuracy, matched IoU", () => {
    for (const metric of Object.values(classificationMetrics)) {
      const counts = someCounts(moods.length, 1);
      expect(weightedMetric(metric, moods)(counts)).toBeCloseTo(metric(countedOut(moods, counts)), 12);
    }
    for (const [n, outcomes] of boxes.entries()) {
      const counts = someCounts(outcomes.length, n);
      const whole = detectionMetrics.meanIou(countedOut(outcomes, counts));
      expect(weightedMetric(detectionMetrics.meanIou, outcomes)(counts)).toBeCloseTo(whole, 12);
    }
  });

  it("equals the bootstrap of the examples counted out: average precision by category, with crowds, where no two boxes rank alike", () => {
    for (const [n, outcomes] of boxes.entries()) {
      // Sizes that no two boxes share, so that their order does not depend on the order of the examples.
      const distinct = outcomes.map(({ prediction, ...row }, i) => ({
        ...row,
        prediction: prediction!.map((one, k) => ({ ...one, width: one.width + (i * 120 + k) / 1e6 })),
      }));
      const counts = someCounts(outcomes.length, n);
      for (const metric of [detectionMetrics.ap50, detectionMetrics.ap]) {
        const repeated = countedOut(distinct, counts);
        const isDefined = repeated.some(({ truth }) => truth.length > 0);
        const found = weightedMetric(metric, distinct)(counts);
        if (isDefined) expect(found).toBeCloseTo(metric(repeated), 12);
        else expect(found).toBeNaN();
      }
    }
  });

  it("equals the bootstrap of the examples counted out for a plain function, and is missing where it throws a DataError", () => {
    const plain = (outcomes: readonly Outcome<number>[]) => {
      if (outcomes.length === 0) throw new DataError("none");
      return Math.max(...outcomes.map(({ truth }) => truth));
    };
    const outcomes = [1, 2, 3].map((truth) => ({ truth, prediction: null }));
    expect(weightedMetric(plain, outcomes)(Uint32Array.of(2, 1, 0))).toBe(2);
    expect(weightedMetric(plain, outcomes)(Uint32Array.of(0, 0, 0))).toBeNaN();
    const wrong = () => {
      throw new TypeError("a mistake");
    };
    expect(() => weightedMetric(wrong, outcomes)(Uint32Array.of(1, 0, 0))).toThrow(TypeError);
  });

  it.each([
    ["text", () => "7", /x: expected a number, got "7"$/],
    ["a promise", async () => 1, /x: expected a number, got a promise; a metric does not wait$/],
  ])("refuses %s as an example's value", (_, each, message) => {
    const outcomes = [{ truth: 1, prediction: 1 }];
    expect(() => meanMetric("x", each as never)(outcomes)).toThrow(message);
  });

  it("is a mean over examples where a metric is made of what each has", () => {
    const share = meanMetric<number>("share", ({ truth }) => truth / 10);
    fc.assert(
      fc.property(fc.array(fc.nat(10), { minLength: 1 }), (truths) => {
        const outcomes = truths.map((truth) => ({ truth, prediction: null }));
        const mean = truths.reduce((sum, truth) => sum + truth / 10, 0) / truths.length;
        expect(share(outcomes)).toBeCloseTo(mean, 12);
        expect(weightedMetric(share, outcomes)(new Uint32Array(truths.length).fill(3))).toBeCloseTo(mean, 12);
      }),
    );
    expect(() => share([])).toThrow(/share: expected at least one example/);
  });
});
