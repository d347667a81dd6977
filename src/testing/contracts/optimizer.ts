import { strict as assert } from "node:assert";
import { ShapeError } from "../../errors";
import type { GradientTransform } from "../../optim";
import { createRng } from "../../rng";
import { describeLaws, type Laws, type Skips, type TestRunner } from "../laws/laws";

/** What the laws of an optimizer need to know about it. */
export interface OptimizerContract {
  /** Rate of the updates; small enough that steps go downhill (0.01). */
  readonly learningRate?: number;
  /** Laws that do not apply, by name, and the reason. They are reported as skipped. */
  readonly skip?: Skips;
}

interface OptimizerSubject {
  readonly create: () => GradientTransform;
  readonly learningRate: number;
}

/**
 * Holds an optimizer that moves weights (alone or as a chain) to what `GradientTransform` promises: it counts its
 * updates, goes downhill, continues to the bit from a copy of its state, and changes nothing if gradients do not match.
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

/** Makes updates with random gradients, numbered from `from`, and returns the parameters and the state. */
function train(
  { create, learningRate }: OptimizerSubject,
  steps: number,
  { params, state = create().init(params), from = 0 }: Start = { params: random(0) },
) {
  const optimizer = create();
  for (let i = from; i < from + steps; i++) optimizer.update(random(100 + i), state, params, { learningRate });
  return { params, state };
}

interface Start {
  readonly params: Arrays;
  readonly state?: ReturnType<GradientTransform["init"]>;
  readonly from?: number;
}

const optimizerLaws: Laws<OptimizerSubject> = {
  "starts at step 0 and counts one for each update": (subject) => {
    assert.equal(subject.create().init(random(0)).step, 0);
    assert.equal(train(subject, 3).state.step, 3);
  },

  "continues to the bit from a copy of its state": (subject) => {
    const begun = train(subject, 4);
    const copy = structuredClone(begun);
    const straight = train(subject, 4, { ...begun, from: 4 });
    assert.deepEqual(train(subject, 4, { ...copy, from: 4 }), straight);
  },

  "moves nothing at a learning rate of 0": ({ create }) => {
    const { params } = train({ create, learningRate: 0 }, 2);
    assert.deepEqual(params, random(0));
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

  "finds no fault with a state of its own": (subject) => {
    for (const steps of [0, 1, 3]) assert.equal(subject.create().problemWith?.(train(subject, steps).state), undefined);
  },
};
