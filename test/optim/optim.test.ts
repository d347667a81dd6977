import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError, TrainingError } from "../../src/errors";
import {
  adamw,
  chain,
  clipByGlobalNorm,
  clipGradNorm,
  type GradientTransform,
  globalNorm,
  type OptimizerState,
} from "../../src/optim";
import { createRng } from "../../src/rng";
import { describeOptimizer } from "../../src/testing";
import peers from "../reference/optim/optim-peers.json";

type Arrays = Map<string, Float32Array>;
const tensors = (rows: Readonly<Record<string, readonly number[]>>): Arrays =>
  new Map(Object.entries(rows).map(([name, values]) => [name, Float32Array.from(values)]));
const copy = (rows: ReadonlyMap<string, Float32Array>): Arrays =>
  new Map([...rows].map(([name, row]) => [name, row.slice()]));

/** Within `ulps` units in the last place of float32, or of a number of size 1e-6 if that is more. */
function expectFloat32(
  actual: ReadonlyMap<string, Float32Array>,
  expected: Readonly<Record<string, readonly number[]>>,
  ulps = 4,
) {
  expect([...actual.keys()].sort()).toEqual(Object.keys(expected).sort());
  for (const [name, row] of Object.entries(expected)) {
    for (const [i, value] of row.entries()) {
      const difference = Math.abs(actual.get(name)![i]! - value);
      expect(difference, `${name}[${i}]`).toBeLessThanOrEqual(ulps * 2 ** -23 * Math.max(Math.abs(value), 1e-6));
    }
  }
}

const random = (seed: number): Arrays => {
  const rng = createRng(seed, "optim");
  const draw = (length: number) => Float32Array.from({ length }, () => rng.normal());
  return new Map([
    ["a", draw(7)],
    ["b", draw(3)],
  ]);
};

/** `steps` updates with seeded gradients, numbered from `from`. */
function train(optimizer: GradientTransform, state: OptimizerState, params: Arrays, from: number, steps: number) {
  for (let step = from; step < from + steps; step++)
    optimizer.update(random(100 + step), state, params, { learningRate: 0.01 });
}

describeOptimizer({ describe, it }, "adamw", () => adamw({ weightDecay: 0.1 }));
describeOptimizer({ describe, it }, "adamw, clipping", () => adamw({ clipNorm: 0.3 }));
describeOptimizer({ describe, it }, "a chain of clipping and adamw", () => chain(clipByGlobalNorm(0.3), adamw()));

describe("adamw", () => {
  it("moves every weight by the learning rate at first, against the gradient's sign, whatever its size", () => {
    const params = tensors({ w: [1, 1, 1] });
    const optimizer = adamw({ weightDecay: 0 });
    optimizer.update(tensors({ w: [1e-3, -5, 200] }), optimizer.init(params), params, { learningRate: 0.1 });
    expectFloat32(params, { w: [0.9, 1.1, 0.9] }, 100);
  });

  it("keeps nothing that is too small for a normal float32", () => {
    const params = tensors({ w: [1e-40, 1] });
    const optimizer = adamw({ weightDecay: 0 });
    const state = optimizer.init(params);
    optimizer.update(tensors({ w: [1e-39, 1e-20] }), state, params, { learningRate: 0 });
    expect([...params.get("w")!]).toEqual([0, 1]);
    expect([...state.tensors.get("exp_avg/w")!]).toEqual([0, Math.fround(0.1 * Math.fround(1e-20))]);
    expect([...state.tensors.get("exp_avg_sq/w")!]).toEqual([0, 0]);
  });

  it("without a gradient, only shrinks weights, by 1 − ηλ", () => {
    const params = tensors({ w: [2], b: [2] });
    const optimizer = adamw({ weightDecay: 0.5, decays: (name) => name === "w" });
    optimizer.update(tensors({ w: [0], b: [0] }), optimizer.init(params), params, { learningRate: 0.1 });
    expectFloat32(params, { w: [1.9], b: [2] });
  });

  it("at learning rate 0 moves nothing, but remembers the gradient", () => {
    const params = random(1);
    const optimizer = adamw();
    const state = optimizer.init(params);
    optimizer.update(random(2), state, params, { learningRate: 0 });
    expect(params).toEqual(random(1));
    expect(state.step).toBe(1);
    expect(state.tensors.get("exp_avg/a")![0]).toBeCloseTo(0.1 * random(2).get("a")![0]!, 7);
  });

  it("leaves the gradients as they were", () => {
    const gradients = random(2);
    const params = random(1);
    adamw().update(gradients, adamw().init(params), params, { learningRate: 1 });
    expect(gradients).toEqual(random(2));
  });

  it("finds the bottom of a bowl", () => {
    const params = tensors({ w: [3, -2] });
    const optimizer = adamw({ weightDecay: 0 });
    const state = optimizer.init(params);
    for (let i = 0; i < 500; i++) {
      const gradient = params.get("w")!.map((w, k) => 2 * (w - k));
      optimizer.update(new Map([["w", gradient]]), state, params, { learningRate: 0.05 * (1 - i / 500) });
    }
    expect(params.get("w")![0]).toBeCloseTo(0, 3);
    expect(params.get("w")![1]).toBeCloseTo(1, 3);
  });

  it.each([{ beta1: 1 }, { beta2: -0.1 }, { epsilon: Number.NaN }, { weightDecay: -1 }, { clipNorm: 0 }])(
    "refuses %o",
    (options) => {
      expect(() => adamw(options)).toThrow(ConfigError);
    },
  );

  it("refuses options that it does not have, and text for a number", () => {
    expect(() => adamw({ weightdecay: 0.1 } as object)).toThrow('adamw: unknown option "weightdecay"; did you mean "w');
    expect(() => adamw({ weightDecay: "0.1" as never })).toThrow(
      'adamw: expected weightDecay to be a finite number of at least 0, got "0.1"',
    );
    expect(() => adamw({ beta1: "0.9" as never })).toThrow('adamw: expected beta1 to be in [0, 1), got "0.9"');
  });

  it.each([
    ["one missing", { a: [1] }, /gradient of "b": expected 1 number, got none/],
    ["one of another size", { a: [1], b: [1, 2] }, /gradient of "b": expected 1 number, got 2/],
    ["one too many", { a: [1], b: [1], c: [1] }, /gradient of "c": expected a parameter/],
  ])("refuses gradients with %s, before anything has changed", (_, gradients, message) => {
    const params = tensors({ a: [1], b: [1] });
    const optimizer = adamw();
    const state = optimizer.init(params);
    const update = () => optimizer.update(tensors(gradients), state, params, { learningRate: 0.1 });
    expect(update).toThrow(ShapeError);
    expect(update).toThrow(message);
    expect(params).toEqual(tensors({ a: [1], b: [1] }));
    expect(state).toEqual(optimizer.init(params));
  });
});

describe("clipping by global norm", () => {
  it("keeps the direction, brings the norm down to the limit, and returns the norm from before", () => {
    const gradients = tensors({ a: [3, 0], b: [0, 4] });
    expect(clipGradNorm(gradients, 1)).toBe(5);
    expect(globalNorm(gradients)).toBeCloseTo(1, 5);
    expectFloat32(gradients, { a: [0.6, 0], b: [0, 0.8] }, 20);
  });

  it("leaves a small gradient alone, to the bit", () => {
    const gradients = tensors({ a: [0.3, 0], b: [0, 0.4] });
    clipGradNorm(gradients, 1);
    expect(gradients).toEqual(tensors({ a: [0.3, 0], b: [0, 0.4] }));
  });

  it("never leaves more than the limit, however often it is applied", () => {
    const gradients = random(3);
    for (const maxNorm of [10, 0.5, 0.5, 0.4]) {
      clipGradNorm(gradients, maxNorm);
      expect(globalNorm(gradients)).toBeLessThanOrEqual(maxNorm);
    }
    expect(globalNorm(gradients)).toBeCloseTo(0.4, 5);
  });

  it.each([
    [Number.NaN, chain(clipByGlobalNorm(1), adamw())],
    [Number.POSITIVE_INFINITY, chain(clipByGlobalNorm(1), adamw())],
    [Number.NaN, adamw({ clipNorm: 1 })],
    [Number.POSITIVE_INFINITY, adamw({ clipNorm: 1 })],
  ])("stops at a gradient of %d, before any weight has moved", (bad, optimizer) => {
    const params = tensors({ w: [1, 1] });
    const state = optimizer.init(params);
    const update = () => optimizer.update(tensors({ w: [1, bad] }), state, params, { learningRate: 0.1 });
    expect(update).toThrow(TrainingError);
    expect(params).toEqual(tensors({ w: [1, 1] }));
    expect(state).toEqual(optimizer.init(params));
  });

  it.each([0, -1, Number.NaN])("refuses a limit of %d", (maxNorm) => {
    expect(() => clipByGlobalNorm(maxNorm)).toThrow(ConfigError);
  });
});

describe("a chain", () => {
  it("is its stages one after the other, and counts one step for all of them", () => {
    const [chained, byHand] = [random(1), random(1)];
    const optimizer = chain(clipByGlobalNorm(0.3), adamw());
    const state = optimizer.init(chained);
    train(optimizer, state, chained, 0, 3);

    const alone = adamw();
    const aloneState = alone.init(byHand);
    for (let step = 0; step < 3; step++) {
      const gradients = random(100 + step);
      clipGradNorm(gradients, 0.3);
      alone.update(gradients, aloneState, byHand, { learningRate: 0.01 });
    }
    expect(chained).toEqual(byHand);
    expect(state).toEqual(aloneState);
    expect(state.step).toBe(3);
  });

  it.each([undefined, 0.7])(
    "moves weights to the bit as adamw({ clipNorm }) does when told the norm %s",
    (gradNorm) => {
      const norm = gradNorm === undefined ? {} : { gradNorm };
      for (const clipNorm of [0.3, 1e3]) {
        const stages = chain(clipByGlobalNorm(clipNorm), adamw({ weightDecay: 0.1 }));
        const one = adamw({ weightDecay: 0.1, clipNorm });
        const [chained, clipped] = [random(1), random(1)];
        const [chainState, state] = [stages.init(chained), one.init(clipped)];
        for (let step = 0; step < 3; step++) {
          const gradients = random(100 + step);
          one.update(gradients, state, clipped, { learningRate: 0.01, ...norm });
          expect(gradients).toEqual(random(100 + step));
          stages.update(gradients, chainState, chained, { learningRate: 0.01, ...norm });
        }
        expect(clipped).toEqual(chained);
        expect(state).toEqual(chainState);
      }
    },
  );

  it("gives clipped gradients to the stage behind", () => {
    const norms: number[] = [];
    const watching: GradientTransform = {
      init: () => ({ step: 0, tensors: new Map() }),
      update: (gradients) => void norms.push(globalNorm(gradients)),
    };
    const params = random(1);
    const optimizer = chain(clipByGlobalNorm(0.3), watching, clipByGlobalNorm(0.2), adamw());
    const gradients = random(100);
    expect(globalNorm(gradients)).toBeGreaterThan(0.3);
    optimizer.update(gradients, optimizer.init(params), params, { learningRate: 0.01 });
    expect(norms).toHaveLength(1);
    expect(norms[0]).toBeCloseTo(0.3, 5);
  });

  it("continues to the bit from a copy of its state", () => {
    const optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 }));
    const straight = random(1);
    const state = optimizer.init(straight);
    train(optimizer, state, straight, 0, 4);
    const resumed = copy(straight);
    const saved = structuredClone(state);
    train(optimizer, state, straight, 4, 4);
    train(optimizer, saved, resumed, 4, 4);
    expect(resumed).toEqual(straight);
    expect(saved).toEqual(state);
  });

  it("refuses two stages that remember the same thing", () => {
    expect(() => chain(adamw(), adamw()).init(random(1))).toThrow(/expected one stage to keep "exp_avg\/a", got two/);
  });
});

describe("as PyTorch", () => {
  for (const peer of peers.adamw) {
    const { weightDecay, betas, eps, decaying, maxNorm } = peer;
    const factors: Readonly<Record<string, number>> = peer.factors;
    const rates = Object.values(factors).join(" : ");
    it(`AdamW, weight decay ${weightDecay} on ${decaying.length} of 3, betas ${betas}, eps ${eps}, clipped at ${maxNorm}, rates ${rates}`, () => {
      const optimizer = adamw({
        beta1: betas[0]!,
        beta2: betas[1]!,
        epsilon: eps,
        weightDecay,
        decays: (name) => decaying.includes(name),
        learningRateFactor: (name) => factors[name]!,
      });
      const params = tensors(peers.initial);
      const state = optimizer.init(params);
      for (const [i, learningRate] of peers.learningRates.entries()) {
        const gradients = tensors(peers.gradients[i]!);
        if (maxNorm !== null) {
          const norm = clipGradNorm(gradients, maxNorm);
          expect(norm / peer.norms[i]!).toBeCloseTo(1, 6);
        }
        optimizer.update(gradients, state, params, { learningRate });
        // Each step rounds to float32 once or twice on either side.
        expectFloat32(params, peer.params[i]!, 8 * (i + 1));
      }
      const moments = (key: string) =>
        new Map(Object.keys(peers.initial).map((name) => [name, state.tensors.get(`${key}/${name}`)!]));
      expectFloat32(moments("exp_avg"), peer.expAvg, 32);
      expectFloat32(moments("exp_avg_sq"), peer.expAvgSq, 32);
    });
  }

  for (const { maxNorm, norm, gradients: expected } of peers.clip) {
    it(`clip_grad_norm_ at ${maxNorm}`, () => {
      const gradients = tensors(peers.gradients[2]!);
      expect(clipGradNorm(gradients, maxNorm) / norm).toBeCloseTo(1, 6);
      expectFloat32(gradients, expected);
    });
  }
});
