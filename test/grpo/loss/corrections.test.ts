import { describe, expect, it } from "vitest";
import type { GrpoBatch } from "../../../src/grpo/loss/batch";
import { type GrpoLossOptions, grpoLoss } from "../../../src/grpo/loss/loss";
import { createRng } from "../../../src/rng";

function randomBatch(seed: number) {
  const rng = createRng(seed, "corrections");
  const row = (length: number, value: () => number) => Float64Array.from({ length }, value);
  const lengths = [4, 6, 1, 0, 5];
  const logProbs = lengths.map((length) => row(length, () => -0.1 - 2 * rng.uniform()));
  const near = () => logProbs.map((values) => values.map((value) => value + 0.3 * rng.normal()));
  return {
    logProbs,
    oldLogProbs: near(),
    samplingLogProbs: near(),
    refLogProbs: near(),
    entropies: lengths.map((length) => row(length, () => 3 * rng.uniform())),
    advantages: lengths.map(() => rng.normal()),
  } satisfies GrpoBatch;
}

const at = (p: number) => Math.log(p);

describe("every correction", () => {
  const corrections: GrpoLossOptions["corrections"][] = [
    { offPolicyThreshold: 0.05 },
    { topEntropy: 0.4 },
    { sampler: {} },
    { sampler: { level: "token", outside: "truncate", min: 0.8, max: 1.2 } },
    { offPolicyThreshold: 0.05, topEntropy: 0.6, sampler: { level: "token", max: 1.3 } },
  ];

  it.each(corrections)("%o: the gradient stays the slope of the loss, for every kind of ratio", (correction) => {
    for (const importanceLevel of ["token", "sequence", "product", "clippedSequence"] as const) {
      const batch = randomBatch(1);
      const options = { corrections: correction!, importanceLevel, klCoefficient: 0.2, entropyCoefficient: 0.1 };
      const { gradient } = grpoLoss(batch, options);
      const h = 1e-6;
      for (const [i, row] of batch.logProbs.entries()) {
        for (const t of row.keys()) {
          const lossAt = (step: number) => {
            const logProbs = batch.logProbs.map((values) => values.slice());
            logProbs[i]![t]! += step;
            return grpoLoss({ ...batch, logProbs }, options).loss;
          };
          expect(Math.abs(gradient[i]![t]! - (lossAt(h) - lossAt(-h)) / (2 * h))).toBeLessThan(1e-8);
        }
      }
    }
  });

  it("is a factor: two are the product of each alone, and KL is left as it is", () => {
    const batch = randomBatch(2);
    const klOnly = grpoLoss({ ...batch, advantages: batch.advantages.map(() => 0) }, { klCoefficient: 0.2 }).gradient;
    const share = (correction: GrpoLossOptions["corrections"] & object) => {
      const plain = grpoLoss(batch, { klCoefficient: 0.2 }).gradient;
      const corrected = grpoLoss(batch, { klCoefficient: 0.2, corrections: correction }).gradient;
      return corrected.flatMap((row, i) =>
        [...row].map((d, t) => (d - klOnly[i]![t]!) / (plain[i]![t]! - klOnly[i]![t]!)),
      );
    };
    const [sampler, offPolicyThreshold] = [{ level: "token", outside: "truncate" } as const, 0.05];
    const [a, b, both] = [share({ sampler }), share({ offPolicyThreshold }), share({ sampler, offPolicyThreshold })];
    const told = both.flatMap((value, k) => (Number.isFinite(value) ? [[value, a[k]! * b[k]!] as const] : []));
    expect(told.length).toBeGreaterThan(5);
    for (const [value, product] of told) expect(value).toBeCloseTo(product, 9);
  });
});

describe("the off-policy mask", () => {
  // The policy has moved by ln 2 away from what was sampled, in both completions.
  const batch = {
    logProbs: [[at(0.25), at(0.25)], [at(0.25)]],
    oldLogProbs: [[at(0.5), at(0.5)], [at(0.5)]],
    advantages: [-1, 1],
  };
  it("leaves out what did badly and is far away, and keeps what did well", () => {
    const options = { lossType: "gpg", corrections: { offPolicyThreshold: 0.6 } } as const;
    expect(grpoLoss(batch, options).gradient).toEqual([Float64Array.of(0, 0), Float64Array.of(-1 / 3)]);
  });
  it("keeps both within the threshold", () => {
    const options = { lossType: "gpg", corrections: { offPolicyThreshold: 0.7 } } as const;
    expect(grpoLoss(batch, options).gradient[0]![0]).toBeCloseTo(1 / 3, 15);
  });
  it("goes by what the sampler reported, where it did", () => {
    const options = { lossType: "gpg", corrections: { offPolicyThreshold: 0.6 } } as const;
    const near = { ...batch, samplingLogProbs: [[at(0.25), Number.NaN], [at(0.5)]] };
    expect(grpoLoss(near, options).gradient[0]![0]).toBeCloseTo(1 / 3, 15);
  });
});

describe("the entropy mask", () => {
  const entropies = [
    [0.1, 0.9, 0.5],
    [0.3, 2],
  ];
  const learns = (topEntropy: number, mask?: number[][]) =>
    grpoLoss(
      {
        logProbs: [
          [-1, -1, -1],
          [-1, -1],
        ],
        advantages: [1, 1],
        entropies,
        ...(mask && { mask }),
      },
      { lossType: "gpg", corrections: { topEntropy } },
    ).gradient.map((row) => [...row].map((d) => (d < 0 ? 1 : 0)));

  it("lets the share of highest entropy learn, the token at the threshold included", () => {
    expect(learns(0.5)).toEqual([
      [0, 1, 1],
      [0, 1],
    ]);
    expect(learns(0.25)).toEqual([
      [0, 1, 0],
      [0, 1],
    ]);
    expect(learns(0.2)).toEqual([
      [0, 0, 0],
      [0, 1],
    ]);
    expect(learns(1)).toEqual([
      [1, 1, 1],
      [1, 1],
    ]);
  });
  it("does not count masked tokens", () => {
    expect(
      learns(0.5, [
        [1, 1, 1],
        [1, 0],
      ]),
    ).toEqual([
      [0, 1, 1],
      [0, 0],
    ]);
  });
  it("finds the threshold's token in spite of rounding: (1 − 0.9)·10 is 0.99…", () => {
    const row = Array.from({ length: 11 }, (_, t) => t);
    const batch = { logProbs: [row.map(() => -1)], entropies: [row], advantages: [1] };
    const { gradient } = grpoLoss(batch, { lossType: "gpg", corrections: { topEntropy: 0.9 } });
    expect(gradient[0]!.filter((d) => d !== 0).length).toBe(10);
  });
});

describe("the sampler's correction", () => {
  // The trained policy gives the two tokens 2 and 0.25 times the probability that the engine reported.
  const batch = {
    logProbs: [[at(0.5), at(0.1)]],
    samplingLogProbs: [[at(0.25), at(0.4)]],
    advantages: [1],
  };
  const factors = (sampler: NonNullable<NonNullable<GrpoLossOptions["corrections"]>["sampler"]>) =>
    [...grpoLoss(batch, { lossType: "gpg", corrections: { sampler } }).gradient[0]!].map((d) => -2 * d);

  it.each([
    [{ level: "token" }, 2, 0.25],
    [{ level: "token", max: 1.5 }, 0, 0.25],
    [{ level: "token", min: 0.5, max: 3 }, 2, 0],
    [{ level: "token", outside: "truncate", min: 0.5, max: 1.5 }, 1.5, 0.5],
    [{}, 0.5, 0.5],
    [{ min: 0.6 }, 0, 0],
    [{ outside: "truncate", max: 0.4 }, 0.4, 0.4],
    [{ max: 0.4 }, 0, 0],
  ] as const)("%o: factors %d and %d", (sampler, first, second) => {
    const [a, b] = factors(sampler);
    expect(a).toBeCloseTo(first, 12);
    expect(b).toBeCloseTo(second, 12);
  });

  it("lets a ratio up to 3 pass by default", () => {
    const ratio = (r: number) =>
      grpoLoss(
        { logProbs: [[at(0.1 * r)]], samplingLogProbs: [[at(0.1)]], advantages: [1] },
        { lossType: "gpg", corrections: { sampler: {} } },
      ).gradient[0]![0];
    expect(ratio(2.99)).toBeCloseTo(-2.99, 12);
    expect(ratio(3.01)).toBeCloseTo(0, 12);
  });

  it("is 1 where the sampler reported nothing", () => {
    const { gradient } = grpoLoss(
      { ...batch, samplingLogProbs: [[at(0.25), Number.NaN]] },
      { lossType: "gpg", corrections: { sampler: { level: "token" } } },
    );
    expect(gradient[0]![0]).toBeCloseTo(-1, 12);
    expect(gradient[0]![1]).toBeCloseTo(-0.5, 12);
  });

  it("goes into vespo's own weight: w = 2·0.25, φ = w²·exp(3(1 − w))", () => {
    const { gradient } = grpoLoss(batch, { lossType: "vespo", corrections: { sampler: { level: "token" } } });
    const phi = 0.5 ** 2 * Math.exp(3 * 0.5);
    for (const d of gradient[0]!) expect(d).toBeCloseTo(-phi / 2, 12);
  });
});

describe("the entropy bonus", () => {
  const batch = { logProbs: [[-1, -2], [-1]], advantages: [1, -1], entropies: [[1, 2], [3]] };
  it("takes c times the mean entropy off the loss", () => {
    const plain = grpoLoss(batch);
    const { loss, gradient, entropyGradient, metrics } = grpoLoss(batch, { entropyCoefficient: 0.3 });
    expect(loss - plain.loss).toBeCloseTo(-0.6, 15);
    expect(gradient).toEqual(plain.gradient);
    expect(entropyGradient!.flatMap((row) => [...row])).toEqual([-0.3 / 3, -0.3 / 3, -0.3 / 3]);
    expect(metrics.entropy).toBe(2);
  });
  it("is about the tokens that learn, where others are masked by entropy", () => {
    const options = { entropyCoefficient: 0.3, corrections: { topEntropy: 0.5 } };
    const { entropyGradient } = grpoLoss(batch, options);
    expect(entropyGradient!.flatMap((row) => [...row])).toEqual([-0, -0.15, -0.15].map((d) => d + 0));
    const highest = grpoLoss(batch, { ...options, corrections: { topEntropy: 0.01 } });
    expect(highest.entropyGradient!.flatMap((row) => [...row])).toEqual([0, 0, -0.3]);
  });
  it("is shared among the batches of a step", () => {
    const { entropyGradient } = grpoLoss(batch, { entropyCoefficient: 0.3, accumulationSteps: 2 });
    expect(entropyGradient!.flatMap((row) => [...row])).toEqual([-0.15 / 3, -0.15 / 3, -0.15 / 3]);
  });
});

describe("covariance", () => {
  // Sure tokens of a good completion, unsure ones of a bad: their covariance with the advantage is high.
  const logProbs = [
    [-0.1, -4],
    [-0.1, -4],
  ];
  const oldLogProbs = [
    [-0.2, -4.1],
    [-0.2, -4.1],
  ];
  const batch = { logProbs, oldLogProbs, advantages: [1, -1] };

  it("clip_cov leaves out as many tokens of the band as its share says, others by another seed", () => {
    const dropped = (seed: number) => {
      const options = { lossType: "clip_cov", covariance: { share: 0.25, seed } } as const;
      return grpoLoss(batch, options).gradient.map((row) => [...row].map((d) => (d === 0 ? 0 : 1)));
    };
    const seen = new Set(Array.from({ length: 20 }, (_, seed) => JSON.stringify(dropped(seed))));
    expect([...seen].sort()).toEqual(["[[0,1],[1,1]]", "[[1,1],[1,0]]"]);
    expect(dropped(3)).toEqual(dropped(3));
  });

  it("clip_cov chooses between the bounds of the band: here the covariances are ±1.95", () => {
    const dropped = (band: { readonly above?: number; readonly below?: number }) =>
      grpoLoss(batch, { lossType: "clip_cov", covariance: { share: 0.5, ...band } }).gradient.flatMap((row) =>
        [...row].map((d) => (d === 0 ? 0 : 1)),
      );
    expect(dropped({ above: 1.94, below: 1.96 })).toEqual([0, 1, 1, 0]);
    expect(dropped({ above: 1.96 })).toEqual([1, 1, 1, 1]);
    expect(dropped({ below: 1.94 })).toEqual([1, 1, 1, 1]);
  });

  it("kl_cov adds c·|log r| to the tokens of highest covariance", () => {
    const options = { lossType: "kl_cov", covariance: { share: 0.5, coefficient: 0.7 } } as const;
    const plain = grpoLoss(batch, { lossType: "kl_cov", covariance: { coefficient: 0 } });
    const { loss, gradient } = grpoLoss(batch, options);
    expect(loss - plain.loss).toBeCloseTo((2 * 0.7 * 0.1) / 4, 12);
    const added = gradient.map((row, i) =>
      [...row].map((d, t) => Math.round(1e9 * (d - plain.gradient[i]![t]!)) / 1e9),
    );
    expect(added).toEqual([
      [0.175, 0],
      [0, 0.175],
    ]);
  });
});
