import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import {
  classificationSimilarity,
  klDivergence,
  renormalise,
  roundDistribution,
  total,
  unclampedSimilarity,
} from "../../src/similarity/distribution";
import type { LabelDistribution } from "../../src/types";

const emotions = ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"];
const uniform = (value: number): LabelDistribution => Object.fromEntries(emotions.map((emotion) => [emotion, value]));

const weights = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 7, maxLength: 7 })
  .map((values) => Object.fromEntries(emotions.map((emotion, i) => [emotion, values[i]!])));
const distribution = weights.filter((w) => total(w) > 1e-3).map((w) => renormalise(w, "test"));
/** The values that a parser can produce: any finite, non-negative numbers. */
const printed = fc
  .array(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), { minLength: 7, maxLength: 7 })
  .map((values) => Object.fromEntries(emotions.map((emotion, i) => [emotion, values[i]!])));

describe("classificationSimilarity", () => {
  it("is exactly 1 for the truth itself", () => {
    fc.assert(fc.property(distribution, (p) => void expect(classificationSimilarity(p, p)).toBe(1)));
  });

  it("lies in [0, 1] for whatever parses, either way of taking KLD", () => {
    fc.assert(
      fc.property(distribution, fc.oneof(printed, weights, distribution), (p, q) => {
        for (const kl of ["renormalised", "asPrinted"] as const) {
          const s = classificationSimilarity(p, q, { kl });
          expect(s).toBeGreaterThanOrEqual(0);
          expect(s).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is below 1 before any clamp for every other prediction", () => {
    fc.assert(
      fc.property(distribution, weights, (p, q) => {
        const distance = emotions.reduce((sum, emotion) => sum + Math.abs(p[emotion]! - q[emotion]!), 0);
        if (distance > 1e-3) expect(unclampedSimilarity(p, q, "renormalised")).toBeLessThan(1);
      }),
      { numRuns: 500 },
    );
  });

  it("is the paper's formula whenever the prediction sums to 1", () => {
    fc.assert(
      fc.property(distribution, distribution, (p, q) => {
        expect(classificationSimilarity(p, q)).toBeCloseTo(classificationSimilarity(p, q, { kl: "asPrinted" }), 10);
      }),
    );
  });

  it("falls as the sum moves away from 1, in either direction", () => {
    const s = [0.25, 0.5, 1, 2, 4].map((factor) => classificationSimilarity(uniform(1 / 7), uniform(factor / 7)));
    expect(s[2]).toBe(1);
    expect(s[0]!).toBeLessThan(s[1]!);
    expect(s[1]!).toBeLessThan(1);
    expect(s[4]!).toBeLessThan(s[3]!);
    expect(s[3]!).toBeLessThan(1);
  });

  it("takes a KLD that does not depend on the scale of the prediction, zeros or not", () => {
    // log₁₀ of the sum and the MSE put aside, 0.5 and 5e-8 of one label say the same.
    const divergence = (scale: number) => {
      const [truth, prediction] = [
        { a: 0.5, b: 0.5 },
        { a: scale, b: 0 },
      ];
      const mse = ((0.5 - scale) ** 2 + 0.25) / 2;
      return -Math.log(classificationSimilarity(truth, prediction)) - mse - Math.abs(Math.log10(scale));
    };
    for (const scale of [1e-6, 0.5, 3]) expect(divergence(scale)).toBeCloseTo(divergence(1), 9);
  });

  it("as printed, rates a doubled uniform prediction at 1.45, above a perfect answer; clamped to 1", () => {
    // KLD = ln ½, MSE = 1/49, |log₁₀ 2| = 0.30103
    const printedValue = unclampedSimilarity(uniform(1 / 7), uniform(2 / 7), "asPrinted");
    expect(printedValue).toBeCloseTo(Math.exp(Math.log(2) - 1 / 49 - Math.log10(2)), 12);
    expect(printedValue).toBeCloseTo(1.45, 2);
    expect(classificationSimilarity(uniform(1 / 7), uniform(2 / 7), { kl: "asPrinted" })).toBe(1);
    expect(() => classificationSimilarity(uniform(1 / 7), uniform(2 / 7), { kl: "printed" as "asPrinted" })).toThrow(
      /kl to be one of renormalised, asPrinted, got "printed"/,
    );
  });

  it("by default rates the same prediction exp(−1/49 − log₁₀ 2) = 0.725", () => {
    expect(classificationSimilarity(uniform(1 / 7), uniform(2 / 7))).toBeCloseTo(0.7251, 4);
  });

  it("has the value worked out by hand for two labels", () => {
    // KLD = ½ ln(½/¼) + ½ ln(½/¾) = 0.143841, MSE = 1/16, sum 1
    const s = classificationSimilarity({ a: 0.5, b: 0.5 }, { a: 0.25, b: 0.75 });
    expect(s).toBeCloseTo(Math.exp(-(0.14384103622589045 + 0.0625)), 12);
    expect(s).toBeCloseTo(0.8136, 4);
  });

  it("gives a sure and wrong answer next to nothing", () => {
    expect(classificationSimilarity({ a: 1, b: 0 }, { a: 0, b: 1 })).toBeLessThan(1e-10);
  });

  it("gives an answer without mass, or with more than numbers can hold, nothing", () => {
    expect(classificationSimilarity({ a: 1, b: 0 }, { a: 0, b: 0 })).toBe(0);
    expect(classificationSimilarity({ a: 1, b: 0 }, { a: 1e308, b: 1.7e308 })).toBe(0);
  });

  it("gives an answer with a probability below 0 nothing, either way of taking KLD", () => {
    for (const kl of ["renormalised", "asPrinted"] as const)
      expect(classificationSimilarity({ a: 1, b: 0 }, { a: -0.5, b: 1.5 }, { kl })).toBe(0);
  });

  it("takes a label that is not mentioned as 0, whatever its name", () => {
    expect(classificationSimilarity({ a: 1, constructor: 0 }, { a: 1 })).toBe(1);
  });
});

describe("klDivergence", () => {
  it("is not negative between distributions, and 0 only between equal ones", () => {
    fc.assert(
      fc.property(distribution, distribution, (p, q) => {
        expect(klDivergence(p, p)).toBe(0);
        expect(klDivergence(p, q)).toBeGreaterThan(-1e-8);
      }),
    );
  });

  it("has the value worked out by hand", () => {
    expect(klDivergence({ a: 0.5, b: 0.5 }, { a: 0.9, b: 0.1 })).toBeCloseTo(0.5108256, 7);
  });

  it("puts 1e-10 for a zero: ln 1e10 = 23.03 for a sure truth that got none", () => {
    expect(klDivergence({ a: 1, b: 0 }, { a: 0, b: 1 })).toBeCloseTo(Math.log(1e10), 6);
  });

  it.each([-0.1, Number.NaN])("refuses %d, which has no logarithm", (value) => {
    expect(() => klDivergence({ a: 1 }, { a: value })).toThrow(`expected numbers of at least 0, got ${value} for a`);
    expect(() => klDivergence({ a: value }, { a: 1 })).toThrow(ConfigError);
  });
});

describe("renormalise and roundDistribution", () => {
  it("keep the shape and make the sum 1", () => {
    expect(renormalise({ a: 1, b: 3 }, "test")).toEqual({ a: 0.25, b: 0.75 });
    expect(() => renormalise({ a: 0, b: 0 }, "row 7")).toThrow(ConfigError);
    expect(() => renormalise({ a: 0, b: 0 }, "row 7")).toThrow(/row 7/);
  });

  it.each([
    [{ a: -1, b: 2 }, 2, /expected numbers of at least 0, got -1 for a$/],
    [{ a: 1, b: 2 }, 400, /expected decimals to be a whole number from 0 to 15, got 400$/],
  ])("refuse to round %j to %d places", (distribution, decimals, message) => {
    expect(() => roundDistribution(distribution, decimals)).toThrow(message);
  });

  it("round to hundredths that sum to 1, no value moving by more than one hundredth", () => {
    expect(roundDistribution({ a: 1, b: 1, c: 1 })).toEqual({ a: 0.34, b: 0.33, c: 0.33 });
    fc.assert(
      fc.property(distribution, (p) => {
        const rounded = roundDistribution(p);
        const hundredths = emotions.map((emotion) => Math.round(rounded[emotion]! * 100));
        expect(hundredths.reduce((a, b) => a + b, 0)).toBe(100);
        for (const emotion of emotions) {
          expect(Number(rounded[emotion]!.toFixed(2))).toBe(rounded[emotion]);
          expect(Math.abs(rounded[emotion]! - p[emotion]!)).toBeLessThan(0.01 + 1e-9);
        }
      }),
    );
  });
});
