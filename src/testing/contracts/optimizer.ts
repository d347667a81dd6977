import { strict as assert } from "node:assert";
import { ShapeError } from "../../errors";
import type { GradientTransform, OptimizerState } from "../../optim";
import { createRng } from "../../rng";
import { describeLaws, type Laws, type Skipping, type TestRunner } from "../laws/laws";

/** An optimizer's facts that its laws need. */
export interface OptimizerContract extends Skipping {
  /** Rate of the updates, small enough that steps go downhill (0.01). */
  readonly learningRate?: number;
}

interface OptimizerSubject {
  readonly create: () => GradientTransform;
  readonly learningRate: number;
}

/**
 * Holds an optimizer that moves weights (alone or as a chain) to what `GradientTransform` promises: it counts its
 * updates, goes downhill, continues bit for bit from a copy of its state, and rejects mismatched gradients unchanged.
 * @param create makes a new optimizer, the same each time
 * @throws ConfigError when `skip` names a law that does not exist
 * @example
 * import { describe, it } from "vitest";
 * import { describeOptimizer } from "rise-ts/testing";
 * describeOptimizer({ describe, it }, "my momentum", () => momentum({ decay: 0.9 }));
 */
export function describeOptimizer(
  runner: TestRunner,
  name: string,
  create: () => GradientTransform,
  { learningRate = 0.01, skip = {} }: OptimizerContract = {},
): void {
  describeLaws(runner, `optimizer ${name}`, optimizerLaws, { create, learningRate }, skip);
}

type Arrays = Map<string, Float32Array>;

const random = (seed: number): Arrays => {
  const rng = createRng(seed, "optimizer");
  const draw = (length: number) => Float32Array.from({ length }, () => rng.normal());
  return new Map([
    ["a", draw(7)],
    ["b", draw(3)],
  ]);
};

/** Makes updates number `from` to `to` with gradients that depend on the number alone. */
function train(
  optimizer: GradientTransform,
  { params, state }: Trained,
  [from, to]: readonly [number, number],
  learningRate: number,
): void {
  for (let i = from; i < to; i++) optimizer.update(random(100 + i), state, params, { learningRate });
}

interface Trained {
  readonly params: Arrays;
  readonly state: OptimizerState;
}

function begin(optimizer: GradientTransform): Trained {
  const params = random(0);
  return { params, state: optimizer.init(params) };
}

const optimizerLaws: Laws<OptimizerSubject> = {
  "starts at step 0 and counts one for each update": ({ create, learningRate }) => {
    const optimizer = create();
    const trained = begin(optimizer);
    assert.equal(trained.state.step, 0);
    train(optimizer, trained, [0, 3], learningRate);
    assert.equal(trained.state.step, 3);
  },

  "continues to the bit from a copy of its state": ({ create, learningRate }) => {
    const optimizer = create();
    const straight = begin(optimizer);
    train(optimizer, straight, [0, 4], learningRate);
    const resumed = structuredClone(straight);
    train(optimizer, straight, [4, 8], learningRate);
    train(create(), resumed, [4, 8], learningRate);
    assert.deepEqual(resumed, straight);
  },

  "moves nothing at a learning rate of 0": ({ create }) => {
    const optimizer = create();
    const trained = begin(optimizer);
    train(optimizer, trained, [0, 2], 0);
    assert.deepEqual(trained.params, random(0));
  },

  "goes downhill in a bowl": ({ create, learningRate }) => {
    const optimizer = create();
    const params = random(0);
    const state = optimizer.init(params);
    const height = () => [...params.values()].flatMap((row) => [...row]).reduce((sum, w) => sum + w * w, 0);
    const before = height();
    for (let i = 0; i < 10; i++) {
      const gradients = new Map([...params].map(([name, row]) => [name, row.map((w) => 2 * w)]));
      optimizer.update(gradients, state, params, { learningRate });
    }
    assert.ok(height() < before, `expected less than ${before}, got ${height()}`);
  },

  "refuses gradients that do not match the parameters, before anything has changed": ({ create, learningRate }) => {
    const wrong: readonly Arrays[] = [
      new Map([["a", new Float32Array(7)]]),
      new Map([...random(1), ["c", new Float32Array(1)]]),
      new Map([...random(1), ["b", new Float32Array(4)]]),
    ];
    for (const gradients of wrong) {
      const optimizer = create();
      const params = random(0);
      const state = optimizer.init(params);
      assert.throws(() => optimizer.update(gradients, state, params, { learningRate }), ShapeError);
      assert.deepEqual(params, random(0));
      assert.deepEqual(state, optimizer.init(params));
    }
  },

  "finds no fault with a state of its own": ({ create, learningRate }) => {
    for (const to of [0, 1, 3]) {
      const optimizer = create();
      const trained = begin(optimizer);
      train(optimizer, trained, [0, to], learningRate);
      assert.equal(optimizer.problemWith?.(trained.state), undefined);
    }
  },
};
