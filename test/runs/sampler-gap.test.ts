import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { SamplerCorrection } from "../../src/grpo/loss/corrections";
import { grpoLoss } from "../../src/grpo/loss/loss";
import { grpoPresets } from "../../src/grpo/presets";
import { samplerGap, withSamplerCorrection } from "../../src/runs/sampler-gap";
import { largestError } from "../models/reference";

// Recorded by test/reference/grpo/sampler.py in float64; the file names the versions of TRL and torch.
const {
  cases,
}: {
  readonly cases: readonly {
    readonly correction: Required<Omit<SamplerCorrection, "min">>;
    readonly trained: readonly number[][];
    readonly sampled: readonly number[][];
    readonly advantages: readonly number[];
    readonly loss: number;
    readonly gradient: readonly number[][];
    readonly metrics: Readonly<Record<string, number>>;
  }[];
} = JSON.parse(readFileSync(new URL("../reference/data/sampler-correction.json", import.meta.url), "utf8"));

const wide = (rows: readonly number[][]) => rows.map((row) => Float64Array.from(row));

describe.each(cases)("the sampler's correction $correction", (of) => {
  it("multiplies with TRL's ratios, and logs what TRL logs", () => {
    const [trained, sampled] = [wide(of.trained), wide(of.sampled)];
    const batch = { logProbs: trained, oldLogProbs: trained, samplingLogProbs: sampled, advantages: of.advantages };
    const { loss, gradient } = grpoLoss(batch, { corrections: { sampler: of.correction } });
    expect(loss).toBeCloseTo(of.loss, 9);
    gradient.forEach((row, i) => void expect(largestError(row, of.gradient[i]!)).toBeLessThan(1e-9));
    const { "rise/sampler_masked": masked, ...metrics } = samplerGap(trained, sampled, of.correction);
    expect(Object.keys(metrics).toSorted()).toEqual(Object.keys(of.metrics).toSorted());
    for (const [name, value] of Object.entries(metrics)) expect(value, name).toBeCloseTo(of.metrics[name]!, 9);
    if (of.correction.outside === "truncate") expect(masked).toBe(0);
  });
});

describe("the sampler's correction", () => {
  it("has cases in which something is left out, and in which nothing is", () => {
    const shares = cases
      .filter(({ correction }) => correction.outside === "mask")
      .map(({ trained, sampled, correction }) => samplerGap(wide(trained), wide(sampled), correction));
    expect(shares.some((metrics) => metrics["rise/sampler_masked"] === 0)).toBe(true);
    expect(shares.some((metrics) => metrics["rise/sampler_masked"]! > 0)).toBe(true);
  });

  it("is TRL's default where the sampler's precision differs, of tokens for vespo, and otherwise what it is told to be", () => {
    const grpo = grpoPresets.trl;
    const of = (loss: object, samplerDiffers: boolean) =>
      withSamplerCorrection({ ...grpo, loss }, { samplerDiffers }).loss.corrections;
    expect(of({}, true)).toEqual({ sampler: { level: "sequence", outside: "mask", min: 0, max: 3 } });
    expect(of({ lossType: "vespo" }, true)).toMatchObject({ sampler: { level: "token", outside: "mask", max: 3 } });
    expect(of({}, false)).toBeUndefined();
    expect(withSamplerCorrection(grpo, {})).toBe(grpo);
    for (const sampler of [false, { max: 5 }] as const)
      expect(of({ corrections: { sampler, topEntropy: 0.5 } }, true)).toEqual({ sampler, topEntropy: 0.5 });
    expect(grpoLoss({ logProbs: [[-1]], advantages: [1] }, { corrections: { sampler: false } }).loss).toBe(-1);
  });
});
