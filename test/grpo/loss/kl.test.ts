import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../src/errors";
import { klEstimators, penaliseKl } from "../../../src/grpo/loss/kl";
import { createRng } from "../../../src/rng";

describe("a KL estimate", () => {
  const names = ["k1", "abs", "k2", "k3", "clampedK3"] as const;

  it.each(names)("%s is 0 where both policies agree, and its slope is its value's", (name) => {
    expect(Math.abs(klEstimators[name](0).value)).toBe(0);
    for (const d of [-2, -0.3, 0.4, 1.5]) {
      const h = 1e-6;
      // d falls as log π rises.
      const slope = (klEstimators[name](d - h).value - klEstimators[name](d + h).value) / (2 * h);
      expect(klEstimators[name](d).dLogProb).toBeCloseTo(slope, 8);
    }
  });

  it.each([
    ["k1+", "k1"],
    ["abs+", "abs"],
    ["k3+", "clampedK3"],
  ] as const)("%s has the value of %s and the slope of k2", (name, base) => {
    for (const d of [-30, -2, 0, 0.4, 25]) {
      expect(klEstimators[name](d).value).toBe(klEstimators[base](d).value);
      expect(klEstimators[name](d).dLogProb).toBe(-d);
    }
  });

  it("is right on average, k1 and k3 exactly", () => {
    const rng = createRng(1, "kl");
    const draw = () => Array.from({ length: 5 }, () => 0.1 + rng.uniform());
    const normalised = (weights: number[]) => weights.map((weight) => weight / weights.reduce((a, b) => a + b));
    const [p, q] = [normalised(draw()), normalised(draw())];
    const mean = (f: (i: number) => number) => p.reduce((sum, pi, i) => sum + pi * f(i), 0);
    const kl = mean((i) => Math.log(p[i]! / q[i]!));
    for (const name of ["k1", "k3"] as const)
      expect(mean((i) => klEstimators[name](Math.log(q[i]! / p[i]!)).value)).toBeCloseTo(kl, 14);
  });
});

describe("rewards less their divergence", () => {
  const batch = { logProbs: [[-1, -2], [-3]], refLogProbs: [[-1.5, -4], [-1]] };
  it("lose β times how much likelier they are under the policy", () => {
    expect(penaliseKl([1, 0], batch, 0.1)).toEqual([1 - 0.25, 0.2]);
  });
  it("count unmasked tokens, and keep a missing reward missing", () => {
    expect(penaliseKl([1, null], { ...batch, mask: [[1, 0], [1]] }, 0.5)).toEqual([0.75, null]);
  });
  it("need a reference, and one reward each", () => {
    expect(() => penaliseKl([1, 0], { logProbs: batch.logProbs }, 0.1)).toThrow(ShapeError);
    expect(() => penaliseKl([1], batch, 0.1)).toThrow(/expected 2 rewards.*got 1/);
  });
  it("need finite numbers", () => {
    expect(() => penaliseKl([1, Number.NaN], batch, 0.1)).toThrow(/finite reward, or null, got NaN for completion 1/);
    expect(() => penaliseKl([1, undefined as never], batch, 0.1)).toThrow(/got undefined for completion 1/);
    expect(() => penaliseKl([1, 0], batch, Number.POSITIVE_INFINITY)).toThrow(/klCoefficient to be a finite number/);
  });
});
