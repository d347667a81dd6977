import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError, TrainingError } from "../../src/errors";
import type { GrpoBatch } from "../../src/grpo/batch";
import { type GrpoLossOptions, type GrpoLossType, grpoLoss } from "../../src/grpo/loss";
import { createRng } from "../../src/rng";
import type { LossFn } from "../../src/trainers/trainer";
import peers from "../reference/grpo/grpo-peers.json";

const lossTypes = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"] as const;
/** Losses without a stop-gradient: what they return is the slope of what they print. */
const differentiable = ["grpo", "bnpo", "dr_grpo", "dapo", "sapo", "luspo"] as const;

/** The least each loss needs to run. */
const optionsFor = (lossType: GrpoLossType): GrpoLossOptions => ({
  lossType,
  ...(lossType === "dr_grpo" && { maxLength: 8 }),
  ...(lossType === "cispo" && { clipEpsilonHigh: 5 }),
});

interface RandomBatch extends GrpoBatch {
  readonly logProbs: Float64Array[];
  readonly oldLogProbs: Float64Array[];
  readonly refLogProbs: Float64Array[];
  readonly mask: number[][];
}

/** Ragged rows (one of them empty), ratios spread well over the clip range, a third of the tokens masked. */
function randomBatch(seed: number): RandomBatch {
  const rng = createRng(seed, "grpo batch");
  const lengths = [5, 0, 1, 7, 3];
  const logProbs = lengths.map((length) => Float64Array.from({ length }, () => -0.1 - 2 * rng.uniform()));
  const near = (spread: number) => logProbs.map((row) => row.map((logProb) => logProb + spread * rng.normal()));
  return {
    logProbs,
    oldLogProbs: near(0.4),
    refLogProbs: near(0.5),
    advantages: lengths.map(() => rng.normal()),
    mask: lengths.map((length) => Array.from({ length }, () => (rng.uniform() < 2 / 3 ? 1 : 0))),
  };
}

const expectRows = (
  actual: readonly ArrayLike<number>[],
  expected: readonly ArrayLike<number>[],
  tolerance: number,
) => {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  for (const [i, row] of expected.entries()) {
    for (let t = 0; t < row.length; t++) {
      expect(Math.abs(actual[i]![t]! - row[t]!), `sequence ${i}, token ${t}`).toBeLessThanOrEqual(tolerance);
    }
  }
};

describe("the gradient is the slope of the loss", () => {
  const cases = differentiable.flatMap((lossType) =>
    (["token", "sequence"] as const).flatMap((importanceLevel) =>
      (["k3", "importanceWeightedK3"] as const).map((klEstimator) => ({ lossType, importanceLevel, klEstimator })),
    ),
  );
  it.each(cases)(
    "$lossType, ratios by $importanceLevel, $klEstimator",
    ({ lossType, importanceLevel, klEstimator }) => {
      for (let seed = 0; seed < 5; seed++) {
        const batch = randomBatch(seed);
        const options = { ...optionsFor(lossType), importanceLevel, klEstimator, klCoefficient: 0.3, delta: 1.7 };
        const h = 1e-6;
        const slopes = batch.logProbs.map((row, i) =>
          row.map((_, t) => {
            const at = (step: number) => {
              const moved = batch.logProbs.map((values) => values.slice());
              moved[i]![t]! += step;
              return grpoLoss({ ...batch, logProbs: moved }, options).loss;
            };
            return (at(h) - at(-h)) / (2 * h);
          }),
        );
        expectRows(grpoLoss(batch, options).gradient, slopes, 1e-8);
      }
    },
  );
});

describe.each(lossTypes)("%s", (lossType) => {
  const options = { ...optionsFor(lossType), klCoefficient: 0.1 };

  it("gives masked tokens no gradient and never looks at what they hold", () => {
    const batch = randomBatch(11);
    const { loss, gradient } = grpoLoss(batch, options);
    const poison = (rows: readonly Float64Array[]) =>
      rows.map((row, i) => row.map((value, t) => (batch.mask[i]![t] ? value : Number.NaN)));
    const poisoned = grpoLoss(
      {
        ...batch,
        logProbs: poison(batch.logProbs),
        oldLogProbs: poison(batch.oldLogProbs),
        refLogProbs: poison(batch.refLogProbs),
      },
      options,
    );
    expect(poisoned).toEqual(grpoLoss(batch, options));
    expect(Number.isFinite(loss)).toBe(true);
    expect(batch.mask.flat().filter((m) => m === 0).length).toBeGreaterThan(2);
    for (const [i, row] of gradient.entries()) {
      for (const [t, derivative] of row.entries()) if (batch.mask[i]![t] === 0) expect(derivative).toBe(0);
    }
  });

  it("raises what did well and lowers what did badly, where old and new policy agree", () => {
    const { gradient } = grpoLoss({ logProbs: [[-1, -2], [-1]], advantages: [1, -1] }, optionsFor(lossType));
    expect(gradient[0]!.every((derivative) => derivative < 0)).toBe(true);
    expect(gradient[1]!.every((derivative) => derivative > 0)).toBe(true);
  });

  // Not bnpo: by design, each of its batches is a mean of its own.
  it.skipIf(lossType === "bnpo")("loses nothing when a batch is split and the gradients are added up", () => {
    const { logProbs, advantages } = randomBatch(5);
    const whole = grpoLoss({ logProbs, advantages }, optionsFor(lossType)).gradient;
    const totalTokens = logProbs.reduce((sum, row) => sum + row.length, 0);
    const split = { ...optionsFor(lossType), accumulationSteps: logProbs.length, totalTokens };
    const parts = logProbs.flatMap(
      (row, i) => grpoLoss({ logProbs: [row], advantages: [advantages[i]!] }, split).gradient,
    );
    expectRows(parts, whole, 1e-15);
  });

  it("is 0, gradient and all, when every token is masked", () => {
    const batch = { logProbs: [[-1, -2], []], advantages: [1, -1], mask: [[0, 0], []] };
    const { loss, gradient, metrics } = grpoLoss(batch, optionsFor(lossType));
    expect(loss).toBe(0);
    expect(gradient).toEqual([new Float64Array(2), new Float64Array(0)]);
    expect(metrics["clip_ratio/region_mean"]).toBe(0);
  });
});

describe("numbers you can check by hand", () => {
  it("at ratio 1, dapo's loss is minus the mean advantage of a token, and its gradient −A/N", () => {
    const { loss, gradient } = grpoLoss({ logProbs: [[-1, -2, -3], [-4]], advantages: [1, -2] }, { lossType: "dapo" });
    expect(loss).toBe(-0.25);
    expect(gradient).toEqual([Float64Array.of(-0.25, -0.25, -0.25), Float64Array.of(0.5)]);
  });

  it("at ratio 1, grpo's loss is 0 for advantages that cancel, whatever the lengths, and still pushes", () => {
    const { loss, gradient } = grpoLoss({ logProbs: [[-1, -2, -3], [-4]], advantages: [1.5, -1.5] });
    expect(loss).toBeCloseTo(0, 15);
    expect(gradient).toEqual([Float64Array.of(-0.25, -0.25, -0.25), Float64Array.of(0.75)]);
  });

  it("a ratio of 2 is cut to 1.2 and stops pushing; where A < 0 it is not cut", () => {
    const rows = { logProbs: [[Math.log(0.5)]], oldLogProbs: [[Math.log(0.25)]] };
    const good = grpoLoss({ ...rows, advantages: [1] });
    expect(good.loss).toBeCloseTo(-1.2, 15);
    expect(good.gradient[0]![0]).toBe(0);
    expect(good.metrics["clip_ratio/high_mean"]).toBe(1);
    const bad = grpoLoss({ ...rows, advantages: [-1] });
    expect(bad.loss).toBeCloseTo(2, 15);
    expect(bad.gradient[0]![0]).toBeCloseTo(2, 15);
    expect(bad.metrics["clip_ratio/region_mean"]).toBe(0);
    const bounded = grpoLoss({ ...rows, advantages: [-1] }, { delta: 1.5 });
    expect(bounded.loss).toBeCloseTo(1.5, 15);
    expect(bounded.gradient[0]![0]).toBe(0);
  });

  it("a ratio of ½ is cut to 0.8 where A < 0, and counted as low", () => {
    const { loss, gradient, metrics } = grpoLoss({
      logProbs: [[Math.log(0.25)]],
      oldLogProbs: [[Math.log(0.5)]],
      advantages: [-1],
    });
    expect(loss).toBeCloseTo(0.8, 15);
    expect(gradient[0]![0]).toBe(0);
    expect(metrics).toMatchObject({ "clip_ratio/low_mean": 1, "clip_ratio/low_min": 1, "clip_ratio/high_max": 0 });
  });

  it("k3 of a token twice as likely under the reference is 2 − ln 2 − 1", () => {
    const batch = { logProbs: [[Math.log(0.25)]], refLogProbs: [[Math.log(0.5)]], advantages: [0] };
    const { loss, metrics } = grpoLoss(batch, { klCoefficient: 0.5 });
    expect(metrics.kl).toBeCloseTo(1 - Math.LN2, 15);
    expect(loss).toBeCloseTo(0.5 * (1 - Math.LN2), 15);
  });

  it("kl is absent without a reference", () => {
    expect(grpoLoss({ logProbs: [[-1]], advantages: [1] }).metrics).not.toHaveProperty("kl");
  });

  it("is a trainer's loss function once the rest of the batch is bound", () => {
    const lossFn: LossFn = (logProbs) => grpoLoss({ logProbs, advantages: [1] });
    expect(lossFn([Float64Array.of(-1)])).toMatchObject({ loss: -1, gradient: [Float64Array.of(-1)] });
  });
});

describe("as TRL 1.13", () => {
  const { logps, oldLogps, refLogps, mask, advantages } = peers.lossInputs;
  const plain = peers.losses[0]!.config;
  const nameOf = (config: typeof plain) =>
    Object.entries(config)
      .filter(([key, value]) => key === "loss_type" || value !== plain[key as keyof typeof plain])
      .map(([key, value]) => (key === "loss_type" ? value : `${key} ${value}`))
      .join(", ");

  for (const { config, loss, grad, metrics } of peers.losses) {
    it(nameOf(config), () => {
      const batch = {
        logProbs: logps,
        refLogProbs: refLogps,
        mask,
        advantages,
        ...(config.useOld && { oldLogProbs: oldLogps }),
      };
      const tokens = mask.flat().filter((m) => m === 1).length;
      const actual = grpoLoss(batch, {
        lossType: config.loss_type as GrpoLossType,
        importanceLevel: config.level as "token" | "sequence",
        clipEpsilon: config.epsilon,
        ...(config.epsilon_high !== null && { clipEpsilonHigh: config.epsilon_high }),
        ...(config.delta !== null && { delta: config.delta }),
        klCoefficient: config.beta,
        klEstimator: config.biasKL ? "importanceWeightedK3" : "k3",
        maxLength: config.maxLen,
        accumulationSteps: config.ga,
        totalTokens: (tokens * config.ga) / config.spg,
      });
      expect(Math.abs(actual.loss - loss)).toBeLessThan(1e-9);
      expectRows(actual.gradient, grad, 1e-9);
      // TRL's metrics are averaged in float32.
      for (const [key, value] of Object.entries(metrics)) {
        if (key === "vespo/phi_seq_mean") continue; // not offered here
        const ours = key === "cispo_clip_ratio" ? "clip_ratio/high_mean" : key;
        expect(actual.metrics[ours as keyof typeof actual.metrics], key).toBeCloseTo(value, 7);
      }
    });
  }
});

describe("a bad call says what was expected", () => {
  const batch = { logProbs: [[-1, -2]], advantages: [1] };
  it("no sequences", () => expect(() => grpoLoss({ logProbs: [], advantages: [] })).toThrow(ShapeError));
  it("an advantage too many", () =>
    expect(() => grpoLoss({ ...batch, advantages: [1, 2] })).toThrow(/expected 1 advantages.*got 2/));
  it.each(["oldLogProbs", "refLogProbs", "mask"])("%s with other rows or other lengths", (name) => {
    expect(() => grpoLoss({ ...batch, [name]: [[1, 1], [1]] })).toThrow(ShapeError);
    expect(() => grpoLoss({ ...batch, [name]: [[1]] })).toThrow(
      new RegExp(`expected 2 tokens in row 0 of ${name}.*got 1`),
    );
  });
  it("half a mask", () =>
    expect(() => grpoLoss({ ...batch, mask: [[1, 0.5]] })).toThrow(/0 or 1, got 0.5 at sequence 0, token 1/));
  it("an advantage that is no number", () =>
    expect(() => grpoLoss({ ...batch, advantages: [Number.NaN] })).toThrow(ConfigError));
  it("a log-probability that is no number", () => {
    expect(() => grpoLoss({ ...batch, logProbs: [[-1, Number.NaN]] })).toThrow(TrainingError);
    expect(() => grpoLoss({ ...batch, logProbs: [[-1, Number.NaN]] })).toThrow(/got NaN at sequence 0, token 1/);
  });
  it("KL without a reference", () =>
    expect(() => grpoLoss(batch, { klCoefficient: 0.1 })).toThrow(/expected refLogProbs/));
  it("dr_grpo without a length", () =>
    expect(() => grpoLoss(batch, { lossType: "dr_grpo" })).toThrow(/expects maxLength/));
  it("cispo without a cap", () =>
    expect(() => grpoLoss(batch, { lossType: "cispo" })).toThrow(/expects clipEpsilonHigh/));
  it("a loss nobody knows", () =>
    expect(() => grpoLoss(batch, { lossType: "toString" as GrpoLossType })).toThrow(
      /one of grpo, bnpo.*got "toString"/,
    ));
  it.each([
    { clipEpsilon: -0.1 },
    { clipEpsilonHigh: Number.NaN },
    { delta: 0 },
    { accumulationSteps: 0 },
    { totalTokens: -1 },
    { maxLength: 0 },
  ])("%o", (options) => expect(() => grpoLoss(batch, options)).toThrow(ConfigError));
});
