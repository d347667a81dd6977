import { describe, expect, it } from "vitest";
import { grpoAdvantages } from "../../../src/grpo/advantage/advantage";
import { grpoLoss } from "../../../src/grpo/loss/loss";
import { grpoPresets, verlEstimators } from "../../../src/grpo/presets";
import { differenceOf, toleranceOf } from "../../reference/grpo/verl";
import type { Figure, VerlCase } from "../../reference/grpo/verl-cases";
import recording from "../../reference/grpo/verl-peers.json";

// Figures of verl 0.9.1's own core_algos.py, see test/reference/grpo/record-verl.ts.
const cases = recording.cases as unknown as readonly VerlCase[];
const figures = recording.figures as unknown as readonly Readonly<Record<string, Figure>>[];

const { loss: verl } = grpoPresets.verl;

describe.each(["advantages", "loss", "kl"] as const)("as verl 0.9.1 computes it, %s", (kind) => {
  const names = new Set(cases.flatMap((one) => (one.kind === kind ? one.names : [])));
  it.each([...names])("%s has verl's figures in every recorded case", (name) => {
    const seen = cases.flatMap((one, n) => (one.kind === kind && one.names.includes(name) ? [n] : []));
    expect(seen.length).toBeGreaterThan(2);
    for (const n of seen) {
      const difference = differenceOf(cases[n]!, name, figures[n]!);
      expect(difference, `case ${n}`).toBeLessThanOrEqual(toleranceOf(`${kind}: ${name}`));
    }
  });
});

describe("verl's preset", () => {
  const batch = { logProbs: [[-1, -2], [], [-0.5]], oldLogProbs: [[-1, -2.1], [], [-0.6]], advantages: [1, 5, -1] };

  it("counts empty rows for geo_mean, and leaves them out of every other mean over sequences", () => {
    const halfOf = (loss: number) => (loss * 2) / 3;
    const full = { ...batch, logProbs: [batch.logProbs[0]!, batch.logProbs[2]!], advantages: [1, -1] };
    const without = { ...full, oldLogProbs: [batch.oldLogProbs[0]!, batch.oldLogProbs[2]!] };
    const geoMean = { ...verl, lossType: "geo_mean" } as const;
    expect(grpoLoss(batch, geoMean).loss).toBeCloseTo(halfOf(grpoLoss(without, geoMean).loss), 15);
    const sapo = { ...verl, lossType: "sapo" } as const;
    expect(grpoLoss(batch, sapo).loss).toBe(grpoLoss(without, sapo).loss);
  });

  it("adds up gspo by tokens, or by sequences when it is told to", () => {
    const ofTokens = grpoLoss(batch, { ...verl, lossType: "gspo" }).gradient[0]![0]!;
    const ofSequences = grpoLoss(batch, { ...verl, lossType: "gspo", aggregation: "sequenceMean" }).gradient[0]![0]!;
    expect(ofTokens / ofSequences).toBeCloseTo((2 * 2) / 3, 7);
  });

  it("gives a group of equal rewards 0 in grpo_vectorized, whose standard deviation has no floor", () => {
    const options = { ...verlEstimators.grpo_vectorized, groupSize: 2 };
    expect([...grpoAdvantages([0.5, 0.5], options).advantages]).toEqual([0, 0]);
    // Two rewards 2e-4 apart: the standard deviation is 1.4e-4, and was taken for 1e-3 before 0.9.
    expect(grpoAdvantages([0.5, 0.5002], options).advantages[1]).toBeCloseTo(1e-4 / (2e-4 / Math.SQRT2), 1);
  });

  it("keeps log-ratios within ±20, and gspo's at most 10", () => {
    const far = { logProbs: [[-1]], oldLogProbs: [[-61]], advantages: [-1] };
    const { loss, gradient } = grpoLoss(far, { ...verl, lossType: "gspo" });
    expect(loss).toBeCloseTo(Math.exp(10), 6);
    expect(gradient[0]![0]).toBe(0);
    const fallen = { logProbs: [[-61]], oldLogProbs: [[-1]], advantages: [1] };
    expect(grpoLoss(fallen, verl).loss).toBeCloseTo(-Math.exp(-20), 15);
    expect(grpoLoss(fallen, { ...verl, boundLogRatios: false }).loss).toBeCloseTo(-Math.exp(-60), 20);
  });
});

describe("a token's probability", () => {
  const at = (p: number) => Math.log(p);
  const gradientOf = (lossType: "dppo_tv" | "dppo_kl", p: number, old: number, advantage: number) =>
    grpoLoss(
      { logProbs: [[at(p)]], oldLogProbs: [[at(old)]], advantages: [advantage] },
      { lossType, clipEpsilon: 0.1, clipEpsilonHigh: 0.2, delta: 3 },
    ).gradient[0]![0]!;

  it("stops learning under dppo_tv when it has gone further than ε, the way its advantage pushes it", () => {
    expect(gradientOf("dppo_tv", 0.65, 0.5, 1)).toBeCloseTo(-1.3, 12);
    expect(gradientOf("dppo_tv", 0.75, 0.5, 1)).toBe(0);
    expect(gradientOf("dppo_tv", 0.75, 0.5, -1)).toBeCloseTo(1.5, 12);
    expect(gradientOf("dppo_tv", 0.35, 0.5, -1)).toBe(0);
    expect(gradientOf("dppo_tv", 0.35, 0.5, 1)).toBeCloseTo(-0.7, 12);
  });

  it("is compared by the divergence of two outcomes under dppo_kl", () => {
    // ½ ln(½/0.9) + ½ ln(½/0.1) = 0.511; ½ ln(½/0.75) + ½ ln(½/¼) = 0.144
    expect(gradientOf("dppo_kl", 0.9, 0.5, 1)).toBe(0);
    expect(gradientOf("dppo_kl", 0.75, 0.5, 1)).toBeCloseTo(-1.5, 12);
    expect(gradientOf("dppo_kl", 0.25, 0.5, -1)).toBe(0);
  });

  it("weighs no more than δ, where the old one was tiny", () => {
    expect(gradientOf("dppo_tv", 0.1, 0.01, 1)).toBeCloseTo(-3, 12);
  });
});
