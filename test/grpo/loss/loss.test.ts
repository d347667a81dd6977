import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError, TrainingError } from "../../../src/errors";
import type { GrpoBatch } from "../../../src/grpo/loss/batch";
import { type GrpoLossOptions, type GrpoLossType, grpoLoss } from "../../../src/grpo/loss/loss";
import { lossTypes as lossTypeTable } from "../../../src/grpo/loss/loss-types";
import { createRng } from "../../../src/rng";
import type { LossFn } from "../../../src/trainer";
import peers from "../../reference/grpo/grpo-peers.json";

const lossTypes = Object.keys(lossTypeTable) as GrpoLossType[];
/** Losses with a stop-gradient: what they return is not the slope of what they print. */
const stopped: readonly GrpoLossType[] = ["cispo", "cispo_verl", "vespo", "dppo_tv", "dppo_kl"];

/** The least each loss needs to run. */
const optionsFor = (lossType: GrpoLossType): GrpoLossOptions => ({
  lossType,
  ...(lossType === "dr_grpo" && { maxLength: 8 }),
  ...(lossType === "cispo" && { clipEpsilonHigh: 5 }),
  ...(lossType === "dro" && { dro: { beta: 0.3 } }),
  // The defaults hold back two tokens in ten thousand; here it should be some of ten.
  covariance: { share: 0.3, above: 0.05 },
});

interface RandomBatch extends GrpoBatch {
  readonly logProbs: Float64Array[];
  readonly oldLogProbs: Float64Array[];
  readonly refLogProbs: Float64Array[];
  readonly advantages: number[];
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

/** The same, and policies that lie up to 45 apart. */
const spreadOut = (batch: RandomBatch): RandomBatch => ({
  ...batch,
  oldLogProbs: batch.oldLogProbs.map((row, i) => row.map((value, t) => value + 45 * Math.sin(i + t))),
});

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

/** ∂/∂rows of the loss, by central differences of `lossAt`. */
function slopes(rows: readonly Float64Array[], lossAt: (rows: readonly Float64Array[]) => number): Float64Array[] {
  const h = 1e-6;
  return rows.map((row, i) =>
    row.map((_, t) => {
      const at = (step: number) => {
        const moved = rows.map((values) => values.slice());
        moved[i]![t]! += step;
        return lossAt(moved);
      };
      return (at(h) - at(-h)) / (2 * h);
    }),
  );
}

const expectSlopes = (batch: RandomBatch, options: GrpoLossOptions) =>
  expectRows(
    grpoLoss(batch, options).gradient,
    slopes(batch.logProbs, (logProbs) => grpoLoss({ ...batch, logProbs }, options).loss),
    1e-8,
  );

describe("the gradient is the slope of the loss", () => {
  const differentiable = lossTypes.filter((lossType) => !stopped.includes(lossType));
  const levels = ["token", "sequence", "product", "clippedSequence"] as const;

  describe.each(differentiable)("%s", (lossType) => {
    it.each(levels)("ratios by %s", (importanceLevel) => {
      for (let seed = 0; seed < 5; seed++)
        expectSlopes(randomBatch(seed), { ...optionsFor(lossType), importanceLevel, delta: 1.7 });
    });
  });

  // Moving the old policy along keeps the ratio as it is, which is what a stop-gradient says.
  it.each(stopped)("%s, where the ratio stands still", (lossType) => {
    const levels = lossType === "vespo" ? (["token"] as const) : (["token", "sequence"] as const);
    for (const importanceLevel of levels) {
      for (let seed = 0; seed < 5; seed++) {
        const batch = randomBatch(seed);
        const options = { ...optionsFor(lossType), importanceLevel };
        const lossAt = (logProbs: readonly Float64Array[]) => {
          const moved = (rows: readonly Float64Array[]) =>
            rows.map((row, i) => row.map((value, t) => value + logProbs[i]![t]! - batch.logProbs[i]![t]!));
          return grpoLoss({ ...batch, logProbs, oldLogProbs: moved(batch.oldLogProbs) }, options).loss;
        };
        expectRows(grpoLoss(batch, options).gradient, slopes(batch.logProbs, lossAt), 1e-8);
      }
    }
  });

  const estimators = ["k1", "abs", "k2", "k3", "clampedK3"] as const;
  it.each(estimators.flatMap((klEstimator) => levels.map((importanceLevel) => ({ klEstimator, importanceLevel }))))(
    "$klEstimator, with and without the ratio by $importanceLevel",
    (options) => {
      for (let seed = 0; seed < 5; seed++) {
        for (const klImportanceWeight of [false, true])
          expectSlopes(randomBatch(seed), { ...options, klImportanceWeight, klCoefficient: 0.3 });
      }
    },
  );

  it.each(["sequenceMean", "tokenMean", "fixedLength", "stepTokenMean", "sequenceSum", "tokenSum"] as const)(
    "added up by %s, with and without empty sequences",
    (aggregation) => {
      for (const skipEmpty of [false, true])
        expectSlopes(randomBatch(1), {
          aggregation,
          skipEmpty,
          maxLength: 8,
          accumulationSteps: 3,
          lengthEpsilon: 0.1,
        });
    },
  );

  it("of sapo and vespo with constants of one's own, and of bounded log-ratios", () => {
    const sapo = { temperaturePositive: 0.4, temperatureNegative: 2 };
    expectSlopes(randomBatch(3), { lossType: "sapo", sapo });
    for (const importanceLevel of levels)
      expectSlopes(spreadOut(randomBatch(3)), { importanceLevel, boundLogRatios: true, delta: 3 });
  });

  it("by entropies too, with and without a mask of entropies", () => {
    const batch = randomBatch(8);
    const entropies = batch.refLogProbs.map((row) => row.map((value) => Math.abs(value)));
    for (const corrections of [{}, { topEntropy: 0.4 }]) {
      const options = { entropyCoefficient: 0.3, accumulationSteps: 2, corrections };
      const { entropyGradient } = grpoLoss({ ...batch, entropies }, options);
      const lossAt = (rows: readonly Float64Array[]) => grpoLoss({ ...batch, entropies: rows }, options).loss;
      expectRows(entropyGradient!, slopes(entropies, lossAt), 1e-8);
    }
  });

  it("of gspo belongs to each token alone, by its own advantage and the sequence's ratio", () => {
    const batch = { logProbs: [[-1, -2]], oldLogProbs: [[-1.1, -2]], advantages: [[1, -2]] };
    const { gradient } = grpoLoss(batch, { lossType: "gspo" });
    expectRows(gradient, [[-Math.exp(0.05) / 2, Math.exp(0.05)]], 1e-15);
  });

  it("bounded KL is flat where it is bounded", () => {
    const batch = { logProbs: [[-4, -30, -1]], refLogProbs: [[-0.1, -1, -30]], advantages: [0] };
    const { gradient, metrics } = grpoLoss(batch, { klCoefficient: 1, klEstimator: "clampedK3" });
    expect([...gradient[0]!]).toEqual([0, 0, 0]);
    expect(metrics.kl).toBeCloseTo((10 + 10 + 10) / 3, 12);
  });
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
    const { gradient } = grpoLoss(
      { logProbs: [[-1, -2], [-1]], advantages: [1, -1] },
      { ...optionsFor(lossType), covariance: {} },
    );
    expect(gradient[0]!.every((derivative) => derivative < 0)).toBe(true);
    expect(gradient[1]!.every((derivative) => derivative > 0)).toBe(true);
  });

  // Not where, by design, each batch is a mean of its own.
  it.skipIf(lossTypeTable[lossType].aggregation === "tokenMean")(
    "loses nothing when a batch is split and the gradients are added up",
    () => {
      const { logProbs, advantages } = randomBatch(5);
      const whole = grpoLoss({ logProbs, advantages }, optionsFor(lossType)).gradient;
      const totalTokens = logProbs.reduce((sum, row) => sum + row.length, 0);
      const split = { ...optionsFor(lossType), accumulationSteps: logProbs.length, totalTokens };
      const parts = logProbs.flatMap(
        (row, i) => grpoLoss({ logProbs: [row], advantages: [advantages[i]!] }, split).gradient,
      );
      expectRows(parts, whole, 1e-15);
    },
  );

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

  it("GMPO's mean stops at −ε where A < 0 and at ε_high where A > 0, and each only there", () => {
    const options = { lossType: "geo_mean", clipEpsilon: 0.1, clipEpsilonHigh: 0.3 } as const;
    const batch = { logProbs: [[-1, -1]], oldLogProbs: [[-0.5, -1.5]] };
    expect(grpoLoss({ ...batch, advantages: [-1] }, options).loss).toBeCloseTo(Math.exp((-0.1 + 0.5) / 2), 12);
    expect(grpoLoss({ ...batch, advantages: [1] }, options).loss).toBeCloseTo(-Math.exp((-0.5 + 0.3) / 2), 12);
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

  it("dro pulls the policy back to the old one: −A·log π + β/2·(log r)²", () => {
    const batch = { logProbs: [[-1]], oldLogProbs: [[-1.5]], advantages: [2] };
    const { loss, gradient } = grpoLoss(batch, { lossType: "dro", dro: { beta: 0.4 } });
    expect(loss).toBeCloseTo(2 + 0.2 * 0.25, 15);
    expect(gradient[0]![0]).toBeCloseTo(-2 + 0.4 * 0.5, 15);
  });

  it("vespo weighs by k and λ of one's own: w = ½, φ = w·exp(4(1 − w)) where A ≥ 0", () => {
    const batch = { logProbs: [[-1]], oldLogProbs: [[-1 - Math.log(0.5)]] };
    const options = { lossType: "vespo", vespo: { kPositive: 1, lambdaPositive: 4 } } as const;
    expect(grpoLoss({ ...batch, advantages: [1] }, options).gradient[0]![0]).toBeCloseTo(-0.5 * Math.exp(2), 12);
    expect(grpoLoss({ ...batch, advantages: [-1] }, options).gradient[0]![0]).toBeCloseTo(0.125 * Math.E, 12);
  });

  it("is a trainer's loss function once the rest of the batch is bound", () => {
    const lossFn: LossFn = (logProbs) => grpoLoss({ logProbs, advantages: [1] });
    expect(lossFn([Float64Array.of(-1)])).toMatchObject({ loss: -1, gradient: [Float64Array.of(-1)] });
  });
});

describe("as TRL 1.13", () => {
  const { logps, oldLogps, refLogps, samplingLogps, entropies, mask, advantages } = peers.lossInputs;
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
        // TRL's sampler counts for the off-policy mask only where vLLM sampled.
        ...(config.useVllm && { samplingLogProbs: samplingLogps }),
        entropies,
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
        klImportanceWeight: config.biasKL,
        entropyCoefficient: config.entCoef,
        corrections: {
          ...(config.topEnt < 1 && { topEntropy: config.topEnt }),
          ...(config.offMask !== null && { offPolicyThreshold: config.offMask }),
          ...(config.useVllm && { sampler: { level: "sequence", outside: "mask", max: 3 } }),
        },
        maxLength: config.maxLen,
        accumulationSteps: config.ga,
        totalTokens: (tokens * config.ga) / config.spg,
      });
      expect(Math.abs(actual.loss - loss)).toBeLessThan(1e-9);
      expectRows(actual.gradient, grad, 1e-9);
      // TRL's metrics are averaged in float32.
      for (const [key, value] of Object.entries(metrics)) {
        if (["vespo/phi_seq_mean", "policy_loss", "entropy_coef"].includes(key)) continue; // not offered here
        const ours = key === "cispo_clip_ratio" ? "clip_ratio/high_mean" : key;
        expect(actual.metrics[ours as keyof typeof actual.metrics], key).toBeCloseTo(value, 7);
      }
    });
  }
});

describe("what a batch may hold besides", () => {
  it("an advantage for each token: the same for all is as good as one for the completion", () => {
    const batch = randomBatch(3);
    const advantages = batch.logProbs.map((row, i) => row.map(() => batch.advantages[i]!));
    for (const lossType of lossTypes)
      expect(grpoLoss({ ...batch, advantages }, optionsFor(lossType))).toEqual(grpoLoss(batch, optionsFor(lossType)));
  });

  it("different advantages: the gradient is still the slope", () => {
    // gspo leaves each token its own advantage, which the ratio of the sequence is not the slope of.
    for (const lossType of lossTypes.filter((name) => name !== "gspo" && !stopped.includes(name))) {
      const batch = randomBatch(4);
      const advantages = batch.oldLogProbs.map((row) => row.map((logProb) => logProb + 1));
      const lossAt = (logProbs: readonly Float64Array[]) =>
        grpoLoss({ ...batch, logProbs, advantages }, optionsFor(lossType));
      expectRows(
        lossAt(batch.logProbs).gradient,
        slopes(batch.logProbs, (rows) => lossAt(rows).loss),
        1e-8,
      );
    }
  });

  it("policies further apart than a double can say: gradients stay numbers", () => {
    const batch = {
      logProbs: [
        [-1, -1],
        [-1, -900],
      ],
      oldLogProbs: [
        [-900, -1],
        [-900, -1],
      ],
      advantages: [0, 1],
    };
    for (const lossType of lossTypes) {
      const { loss, gradient } = grpoLoss(batch, optionsFor(lossType));
      expect([lossType, Number.isFinite(loss)]).toEqual([lossType, true]);
      expect([lossType, gradient.every((row) => row.every(Number.isFinite))]).toEqual([lossType, true]);
    }
  });

  it("a completion that was cut off: as if all of it were masked", () => {
    const { mask, ...batch } = randomBatch(6);
    const truncated = [false, false, true, true, false];
    const asMask = batch.logProbs.map((row, i) => [...row].map(() => (truncated[i] ? 0 : 1)));
    expect(grpoLoss({ ...batch, truncated })).toEqual(grpoLoss({ ...batch, mask: asMask }));
  });
});

describe("a bad call says what was expected", () => {
  const batch = { logProbs: [[-1, -2]], advantages: [1] };
  it("no sequences", () => expect(() => grpoLoss({ logProbs: [], advantages: [] })).toThrow(ShapeError));
  it("an advantage too many", () =>
    expect(() => grpoLoss({ ...batch, advantages: [1, 2] })).toThrow(/expected 1 advantages.*got 2/));
  it.each(["oldLogProbs", "refLogProbs", "samplingLogProbs", "entropies", "mask"])(
    "%s with other rows or other lengths",
    (name) => {
      expect(() => grpoLoss({ ...batch, [name]: [[1, 1], [1]] })).toThrow(ShapeError);
      expect(() => grpoLoss({ ...batch, [name]: [[1]] })).toThrow(
        new RegExp(`expected 2 tokens in row 0 of ${name}.*got 1`),
      );
    },
  );
  it("half a mask", () =>
    expect(() => grpoLoss({ ...batch, mask: [[1, 0.5]] })).toThrow(/0 or 1, got 0.5 at sequence 0, token 1/));
  it("an advantage that is no number", () =>
    expect(() => grpoLoss({ ...batch, advantages: [Number.NaN] })).toThrow(ConfigError));
  it("advantages of two kinds", () =>
    expect(() => grpoLoss({ logProbs: [[-1], [-1]], advantages: [1, [1]] as never })).toThrow(
      /a number for each sequence, or a list for each, got \[1\] for sequence 1 and 1 for sequence 0/,
    ));
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
  it("a row of advantages too short", () =>
    expect(() => grpoLoss({ ...batch, advantages: [[1]] })).toThrow(
      /expected 2 tokens in row 0 of advantages, .*got 1/,
    ));
  it("cut-off marks for other sequences", () =>
    expect(() => grpoLoss({ ...batch, truncated: [] })).toThrow(/expected 1 truncated, .*got 0/));
  it.each([
    [{ entropyCoefficient: 0.1 }, "entropies"],
    [{ corrections: { topEntropy: 0.2 } }, "entropies"],
    [{ corrections: { sampler: {} } }, "samplingLogProbs"],
  ] as const)("%o without %s", (options, rows) =>
    expect(() => grpoLoss(batch, options)).toThrow(new RegExp(`expected ${rows}, because`)),
  );
  it.each([undefined, 0, Number.POSITIVE_INFINITY, Number.NaN])("dro with a penalty of %s", (beta) => {
    const options = { lossType: "dro", ...(beta !== undefined && { dro: { beta } }) } as const;
    expect(() => grpoLoss(batch, options)).toThrow(/grpoLoss: .*expect.*dro\.beta/);
  });
  it("vespo with a sampler's ratio for the sequence, which it makes itself", () => {
    const sampled = { ...batch, samplingLogProbs: [[-1, -2]] };
    expect(() => grpoLoss(sampled, { lossType: "vespo", corrections: { sampler: {} } })).toThrow(/level "token"/);
  });
  it.each([
    { corrections: { topEntropy: 0 } },
    { corrections: { topEntropy: 1.1 } },
    { corrections: { offPolicyThreshold: Number.NaN } },
    { corrections: { sampler: { max: 0 } } },
    { corrections: { sampler: { outside: "clip" as "mask" } } },
    { covariance: { share: -1 } },
    { entropyCoefficient: Number.NaN },
    { clipEpsilon: -0.1 },
    { clipEpsilonHigh: Number.NaN },
    { delta: 0 },
    { accumulationSteps: 0 },
    { totalTokens: -1 },
    { maxLength: 0 },
    // From JavaScript: 1 + "0.2" is text.
    { clipEpsilon: "0.2" as unknown as number },
    { skipEmpty: "no" as unknown as boolean },
    { boundLogRatios: "yes" as unknown as boolean },
    { lengthEpsilon: -1 },
    { sapo: { temperaturePositive: 0 } },
    { sapo: { temperature: 1 } as object },
    { vespo: { kNegative: Number.NaN } },
    { corrections: { sampler: { maximum: 3 } as object } },
    { covariance: { shares: 0.1 } as object },
  ])("%o", (options) => expect(() => grpoLoss(batch, options)).toThrow(ConfigError));
});
