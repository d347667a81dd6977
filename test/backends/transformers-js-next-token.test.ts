import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseToken, type TokenChoice } from "../../src/backends/transformers-js/next-token";
import { NonFiniteError } from "../../src/errors";
import { createRng } from "../../src/rng";

const plain: TokenChoice = {
  ...{ temperature: 1, topK: Number.POSITIVE_INFINITY, topP: 1, repetitionPenalty: 1 },
  ...{ forbidden: [], seen: new Set<number>(), uniform: 0.5 },
};

/** The same by sorting everything, as the definition of top-k and top-p reads. */
function bySorting(logits: readonly number[], { temperature, topK, topP, uniform }: TokenChoice) {
  const weights = logits.map((x) => Math.exp(x / temperature));
  const order = weights.map((_, token) => token).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const first = order.slice(0, topK);
  const sum = (tokens: readonly number[]) => tokens.reduce((total, token) => total + weights[token]!, 0);
  const nucleus = topP * sum(first);
  const kept = first.filter((_, rank) => rank === 0 || sum(first.slice(0, rank)) < nucleus);
  const mass = sum(kept);
  const token = kept.find((_, rank) => sum(kept.slice(0, rank + 1)) > uniform * mass) ?? kept.at(-1)!;
  return { token, samplingLogProb: Math.log(weights[token]! / mass), kept };
}

describe("the next token", () => {
  it("is the one that sorting all tokens gives, for any logits, top-k, top-p and temperature", () => {
    // Quarters make ties common.
    const logits = fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 2, maxLength: 60 });
    const topK = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constant(Number.POSITIVE_INFINITY));
    const share = fc.double({ min: 0.01, max: 1, noNaN: true });
    const uniform = fc.double({ min: 0, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(logits, topK, share, uniform, fc.constantFrom(0.5, 1, 3), (quarters, k, topP, u, temperature) => {
        fc.pre(topP < 1 || k < Number.POSITIVE_INFINITY);
        const values = quarters.map((x) => x / 4);
        const choice = { ...plain, topK: k, topP, uniform: u, temperature };
        const expected = bySorting(values, choice);
        const found = chooseToken(Float32Array.from(values), choice);
        expect(expected.kept).toContain(found.token);
        // Sums in another order may round to the other side of a bound.
        if (found.token === expected.token) expect(found.samplingLogProb).toBeCloseTo(expected.samplingLogProb, 6);
        else expect(expected.kept.indexOf(found.token) - expected.kept.indexOf(expected.token)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("is drawn as often as its probability says", () => {
    const logits = Float32Array.of(0, Math.log(2), Math.log(5));
    const rng = createRng(1);
    const seen = [0, 0, 0];
    for (let i = 0; i < 8000; i++) seen[chooseToken(logits, { ...plain, uniform: rng.uniform() }).token]! += 1 / 8000;
    expect(seen.map((share, token) => Math.abs(share - [1, 2, 5][token]! / 8) < 0.02)).toEqual([true, true, true]);
  });

  it("is the likeliest at temperature 0, the first of equal ones, and no forbidden one", () => {
    const logits = Float32Array.of(1, 3, 3, 4);
    const choice = { ...plain, temperature: 0, forbidden: [3] };
    const { token, logProb, samplingLogProb } = chooseToken(logits, choice);
    const total = (...values: number[]) => Math.log(values.reduce((sum, x) => sum + Math.exp(x), 0));
    expect(token).toBe(1);
    expect(logProb).toBeCloseTo(3 - total(1, 3, 3, 4), 6);
    expect(samplingLogProb).toBeCloseTo(3 - total(1, 3, 3), 6);
  });

  it("is less likely when it is there already, and keeps its tempered log-prob", () => {
    const logits = Float32Array.of(2, -1);
    const seen = new Set([0, 1]);
    const total = (...values: number[]) => Math.log(values.reduce((sum, x) => sum + Math.exp(x), 0));
    const choice = { ...plain, temperature: 2, repetitionPenalty: 4, seen, uniform: 0 };
    const { token, samplingLogProb, temperedLogProb } = chooseToken(logits, choice);
    expect(token).toBe(0);
    expect(samplingLogProb).toBeCloseTo(0.25 - total(0.25, -2), 6);
    expect(temperedLogProb).toBeCloseTo(1 - total(1, -0.5), 6);
  });

  it("is refused when logits are not finite", () => {
    expect(() => chooseToken(Float32Array.of(0, Number.NaN), plain)).toThrow(NonFiniteError);
  });
});
