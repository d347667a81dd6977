import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import { accuracy } from "../../src/metrics/accuracy";
import { formatRate } from "../../src/metrics/format-rate";
import { jensenShannonDivergence, meanJensenShannonDivergence } from "../../src/metrics/jsd";
import { countRepairs } from "../../src/metrics/repairs";
import { winRate, winRateInterval } from "../../src/metrics/win-rate";
import type { LabelDistribution } from "../../src/types";

const distribution = fc
  .tuple(fc.nat(100), fc.nat(100), fc.nat(100))
  .filter(([a, b, c]) => a + b + c > 0)
  .map(([a, b, c]): LabelDistribution => ({ a: a / (a + b + c), b: b / (a + b + c), c: c / (a + b + c) }));

describe("jensenShannonDivergence", () => {
  it("is 0 to itself, symmetric, and between 0 and ln 2", () => {
    fc.assert(
      fc.property(distribution, distribution, (p, q) => {
        expect(jensenShannonDivergence(p, p)).toBeCloseTo(0, 12);
        expect(jensenShannonDivergence(p, q)).toBeCloseTo(jensenShannonDivergence(q, p), 12);
        expect(jensenShannonDivergence(p, q)).toBeGreaterThanOrEqual(0);
        expect(jensenShannonDivergence(p, q)).toBeLessThanOrEqual(Math.LN2);
      }),
    );
  });

  it("has the value worked out by hand", () => {
    // M = (¾, ¼): ½ ln(4/3) + ½ (½ ln ⅔ + ½ ln 2) = 0.215762
    expect(jensenShannonDivergence({ a: 1, b: 0 }, { a: 0.5, b: 0.5 })).toBeCloseTo(0.2157616, 7);
  });

  it("is ln 2 nats or one bit between distributions that share nothing", () => {
    expect(jensenShannonDivergence({ a: 1, b: 0 }, { a: 0, b: 1 })).toBeCloseTo(Math.LN2, 12);
    expect(jensenShannonDivergence({ a: 1, b: 0 }, { a: 0, b: 1 }, { unit: "bits" })).toBeCloseTo(1, 12);
  });

  it("is the worst for an answer that does not parse or has no mass", () => {
    expect(jensenShannonDivergence({ a: 1, b: 0 }, null)).toBe(Math.LN2);
    expect(jensenShannonDivergence({ a: 1, b: 0 }, { a: 0, b: 0 })).toBe(Math.LN2);
    expect(jensenShannonDivergence({ a: 1, b: 0 }, null, { unit: "bits" })).toBe(1);
  });

  it("is the worst for an answer with a probability below 0, and refuses such a truth", () => {
    expect(jensenShannonDivergence({ a: 0.2, b: 0.8 }, { a: -0.5, b: 1.5 })).toBe(Math.LN2);
    expect(() => jensenShannonDivergence({ a: -0.5, b: 1.5 }, { a: 1, b: 0 })).toThrow(/no number below 0, got {/);
  });

  it.each([
    [{ unit: "bit" }, /expected unit to be one of nats, bits, got "bit"/],
    [{ units: "bits" }, /unknown option "units"; did you mean "unit"\?/],
  ])("refuses the options %j", (options, message) => {
    expect(() => jensenShannonDivergence({ a: 1 }, { a: 1 }, options as never)).toThrow(message);
    expect(() => meanJensenShannonDivergence([{ truth: { a: 1 }, prediction: null }], options as never)).toThrow(
      message,
    );
  });

  it("compares shapes: a prediction that does not sum to 1 is renormalised", () => {
    expect(jensenShannonDivergence({ a: 0.5, b: 0.5 }, { a: 2, b: 2 })).toBe(0);
  });

  it("averages over examples, counting those that did not parse", () => {
    const truth = { a: 1, b: 0 };
    const outcomes = [
      { truth, prediction: truth },
      { truth, prediction: null },
    ];
    expect(meanJensenShannonDivergence(outcomes)).toBeCloseTo(Math.LN2 / 2, 12);
    expect(meanJensenShannonDivergence(outcomes, { unit: "bits" })).toBeCloseTo(0.5, 12);
    expect(() => meanJensenShannonDivergence([])).toThrow(DataError);
    expect(() => jensenShannonDivergence({ a: 0, b: 0 }, { a: 1, b: 0 })).toThrow(/truth with a positive finite sum/);
  });
});

describe("winRate", () => {
  it("is the share of examples where the baseline diverges less, ties counted half", () => {
    expect(winRate([0.3, 0.2, 0.1, 0.4], [0.1, 0.2, 0.3, 0.5])).toEqual({
      winRate: 0.375,
      wins: 1,
      ties: 1,
      losses: 2,
    });
  });

  it("is one half against oneself", () => {
    expect(winRate([0.3, 0.2], [0.3, 0.2]).winRate).toBe(0.5);
  });

  it("adds up to 1 from both sides", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 1 }), (pairs) => {
        const [ours, baseline] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        expect(winRate(ours, baseline).winRate + winRate(baseline, ours).winRate).toBeCloseTo(1, 12);
      }),
    );
  });

  it("wants the same examples on both sides", () => {
    expect(() => winRate([0.1], [0.1, 0.2])).toThrow(/1 of ours and 2/);
    expect(() => winRate([], [])).toThrow(DataError);
    expect(() => winRate([0.1, Number.NaN], [0.1, 0.2])).toThrow("expected numbers, got NaN and 0.2 at 1");
  });
});

describe("winRateInterval", () => {
  it("holds the win rate, within [0, 1], and is the same for the same seed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 20, maxLength: 60 }),
        fc.nat(),
        (pairs, seed) => {
          const [ours, baseline] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
          const [low, high] = winRateInterval(ours, baseline, { seed });
          const rate = winRate(ours, baseline).winRate;
          expect(low).toBeLessThanOrEqual(rate);
          expect(high).toBeGreaterThanOrEqual(rate);
          expect(low).toBeGreaterThanOrEqual(0);
          expect(high).toBeLessThanOrEqual(1);
          expect(winRateInterval(ours, baseline, { seed })).toEqual([low, high]);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("is a point where every example says the same", () => {
    expect(winRateInterval([0.3, 0.2, 0.4], [0.1, 0.1, 0.1])).toEqual([1, 1]);
    expect(winRateInterval([0.1, 0.1], [0.1, 0.1])).toEqual([0.5, 0.5]);
  });

  it("spans nearly four standard errors: 0.5 ± 0.098 for 100 even examples", () => {
    const ours = Array.from({ length: 100 }, (_, i) => i % 2);
    const [low, high] = winRateInterval(ours, Array(100).fill(0.5));
    expect(low).toBeCloseTo(0.402, 1);
    expect(high).toBeCloseTo(0.598, 1);
  });

  it("wants the same examples on both sides", () => {
    expect(() => winRateInterval([0.1], [0.1, 0.2])).toThrow(DataError);
  });
});

describe("accuracy", () => {
  const truth = { a: 0.2, b: 0.7, c: 0.1 };
  const of = (...predictions: (LabelDistribution | null)[]) =>
    accuracy(predictions.map((prediction) => ({ truth, prediction })));

  it("counts examples whose most probable label is right", () => {
    expect(of({ a: 0.1, b: 0.8, c: 0.1 }, { a: 0.8, b: 0.1, c: 0.1 }, { a: 0, b: 0.4, c: 0.3 }, null)).toBe(0.5);
  });

  it("gives a uniform answer what guessing is worth, and an empty one nothing", () => {
    expect(of({ a: 1 / 3, b: 1 / 3, c: 1 / 3 })).toBeCloseTo(1 / 3, 12);
    expect(of({ a: 0, b: 0, c: 0 })).toBe(0);
  });

  it("accepts either label where the truth is tied", () => {
    expect(accuracy([{ truth: { a: 0.5, b: 0.5 }, prediction: { a: 0, b: 1 } }])).toBe(1);
  });
});

describe("formatRate", () => {
  it("is the share that passed", () => {
    expect(formatRate([{ ok: true }, { ok: false, reason: "empty" }, { ok: true }, { ok: true }])).toBe(0.75);
    expect(() => formatRate([])).toThrow(DataError);
  });
});

describe("countRepairs", () => {
  it("counts answers by flaw, the most frequent first", () => {
    const rows = [
      { repairs: ["quotes"] },
      {},
      { repairs: ["sum", "quotes"] },
      { repairs: [] },
      { repairs: ["quotes"] },
    ];
    expect(Object.entries(countRepairs(rows))).toEqual([
      ["quotes", 3],
      ["sum", 1],
    ]);
    expect(Object.entries(countRepairs([{ repairs: ["a", "b"] }, { repairs: ["b"] }]))).toEqual([
      ["b", 2],
      ["a", 1],
    ]);
    expect(countRepairs([])).toEqual({});
  });
});
