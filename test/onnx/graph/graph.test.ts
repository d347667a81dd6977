import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../src/errors";
import { createGraph, type Graph, reduceSum } from "../../../src/onnx/graph/graph";
import { broadcastShapes } from "../../../src/onnx/graph/shapes";
import type { Op, Ops, Shape } from "../../../src/onnx/graph/value";
import { serialiseModel } from "../../../src/onnx/runtime/serialise";
import { readModel } from "../runtime/proto-reader";
import { broadcast } from "./ndarray";

type Wrong<O extends Op> = readonly [shapes: readonly Shape[], attrs: Ops[O]["attrs"], message: RegExp];

/** Shapes that every rule must refuse; empty where any shape will do. */
const wrong: { readonly [O in Op]: readonly Wrong<O>[] } = {
  Add: [
    [[[2, 3], [2]], {}, /Add: \[2, 3\] and \[2\] do not broadcast/],
    [[[3], ["time"]], {}, /do not broadcast/],
  ],
  Sub: [[[[2], [3]], {}, /Sub: .* do not broadcast/]],
  Mul: [
    [
      [
        [4, 1, 3],
        [2, 2],
      ],
      {},
      /Mul: .* do not broadcast/,
    ],
  ],
  Div: [[[[0], [2]], {}, /Div: .* do not broadcast/]],
  Less: [[[[2], [3]], {}, /Less: .* do not broadcast/]],
  LessOrEqual: [[[[2], [3]], {}, /LessOrEqual: .* do not broadcast/]],
  Equal: [[[[2], [3]], {}, /Equal: .* do not broadcast/]],
  And: [[[[2], [3]], {}, /And: .* do not broadcast/]],
  Or: [[[[2], [3]], {}, /Or: .* do not broadcast/]],
  Where: [
    [[[2], [3], [3]], {}, /Where: .* do not broadcast/],
    [[[3], [2], [3]], {}, /Where: .* do not broadcast/],
  ],
  MatMul: [
    [
      [
        [2, 3],
        [2, 3],
      ],
      {},
      /MatMul: expected equal inner sizes, got \[2, 3\] × \[2, 3\]/,
    ],
    [[[3], [3, 2]], {}, /MatMul/],
    [[[2, 3], [3]], {}, /MatMul/],
    [[[], []], {}, /MatMul/],
    [
      [
        [2, 2, 3],
        [3, 3, 1],
      ],
      {},
      /MatMul: \[2\] and \[3\] do not broadcast/,
    ],
  ],
  Gemm: [
    [
      [
        [2, 3],
        [2, 3],
      ],
      {},
      /Gemm: .*\[2, 3\] × \[2, 3\]/,
    ],
    [[[2, 3], [3, 4], [3]], {}, /Gemm: what is added: expected \[4\], got \[3\]/],
    [
      [
        [2, 3],
        [3, 2],
      ],
      { transB: true },
      /\[3, 2\]ᵀ/,
    ],
    [
      [
        [1, 2, 3],
        [3, 2],
      ],
      {},
      /two matrices/,
    ],
    [[[3], [3, 2]], {}, /two matrices/],
  ],
  Reshape: [
    [[[2, 3]], { shape: [5] }, /Reshape: \[2, 3\] has another number of elements than \[5\]/],
    [[[2, 3]], { shape: [-2, -3] }, /sizes of 0 or more, got -2/],
    [[[3]], { shape: [1.5, 2] }, /got 1.5/],
    [[["time", 3]], { shape: [3] }, /known when the graph is built, got "time"/],
    [[["time", 3]], { shape: ["time", 4] }, /\[time, 3\] has another number of elements than \[time, 4\]/],
    [[["time", 3]], { shape: ["a", "b"] }, /at most one size known at run time only, got \[a, b\]/],
  ],
  Transpose: [
    [[[2, 3]], { perm: [0, 0] }, /expected a permutation/],
    [[[2, 3]], { perm: [0] }, /expected a permutation/],
    [[[2, 3]], { perm: [1, 2] }, /expected a permutation/],
  ],
  Concat: [
    [[], { axis: 0 }, /at least one input/],
    [
      [
        [2, 3],
        [3, 3],
      ],
      { axis: 1 },
      /Concat along axis 1: \[3, 3\] does not fit \[2, 3\]/,
    ],
    [[[2, 3], [2]], { axis: 1 }, /does not fit/],
    [[[2, 3]], { axis: 2 }, /axis 2 is outside a tensor of rank 2/],
    [[[2, 3]], { axis: -3 }, /axis -3 is outside/],
  ],
  Slice: [
    [[[4]], { axis: 0, start: 2, end: 5 }, /2…5 is not inside axis 0 of \[4\]/],
    [[[4]], { axis: 0, start: -1, end: 2 }, /-1…2/],
    [[[4]], { axis: 0, start: 2, end: 2 }, /2…2/],
    [[[4]], { axis: 1, start: 0, end: 1 }, /no such axis/],
    [[["time"]], { axis: 0, start: 0, end: 1 }, /"time"/],
  ],
  Pad: [
    [[[4]], { axis: 1, before: 0, after: 1 }, /no such axis/],
    [[[4]], { axis: -1, before: 0, after: 1 }, /no such axis/],
    [[[4]], { axis: 0, before: -1, after: 0 }, /Pad: expected to add zeros/],
  ],
  Expand: [
    [[[3]], { shape: [1] }, /\[3\] does not expand to \[1\]/],
    [[[2, 3]], { shape: [3] }, /does not expand/],
    [[[3]], { shape: [2] }, /do not broadcast/],
  ],
  Gather: [[[[], [2]], {}, /scalar has no rows/]],
  GatherElements: [
    [
      [
        [2, 3],
        [1, 3],
      ],
      {},
      /GatherElements: index: expected \[2, 3\], got \[1, 3\]/,
    ],
    [[[2, 3], [3]], {}, /GatherElements: index/],
  ],
  ScatterElements: [
    [
      [
        [2, 4],
        [3, 2],
        [3, 2],
      ],
      { axis: -1 },
      /ScatterElements: index/,
    ],
    [
      [
        [2, 4],
        [2, 2],
        [2, 3],
      ],
      { axis: -1 },
      /ScatterElements: updates/,
    ],
  ],
  ReduceSum: [
    [[[2, 3]], { axes: [2], keepDims: true }, /ReduceSum: expected different axes of \[2, 3\], got \[2\]/],
    [[[2, 3]], { axes: [-1], keepDims: true }, /got \[-1\]/],
    [[[2, 3]], { axes: [1, 1], keepDims: false }, /got \[1, 1\]/],
  ],
  LayerNormalization: [
    [[[2, 3], [2], [3]], {} as { epsilon: number }, /LayerNormalization: scale: expected \[3\], got \[2\]/],
    [[[2, 3], [3], [1]], {} as { epsilon: number }, /LayerNormalization: bias/],
  ],
  RMSNormalization: [[[[2, 3], [2]], {} as { epsilon: number }, /RMSNormalization: scale: expected \[3\]/]],
  RotaryEmbedding: [
    [
      [
        [1, 2, 3, 4],
        [1, 3, 4],
        [1, 3, 4],
      ],
      {},
      /expected tables \[1, 3, 2\], got \[1, 3, 4\]/,
    ],
    [
      [
        [1, 2, 3, 4],
        [1, 3, 2],
        [3, 2],
      ],
      {},
      /\[3, 2\]/,
    ],
    [
      [
        [1, 2, 3, 5],
        [1, 3, 2],
        [1, 3, 2],
      ],
      {},
      /2\.5/,
    ],
    [
      [
        [2, 3, 4],
        [2, 4, 2],
        [2, 4, 2],
      ],
      {},
      /RotaryEmbedding/,
    ],
  ],
  TopK: [[[["time"]], {}, /"time"/]],
  QuantizeLinear: [
    [[[2, 3], [3], [2]], {}, /QuantizeLinear: scale: expected \[2\], got \[3\]/],
    [[[2, 3], [2], [1]], {}, /QuantizeLinear: zero point: expected \[2\]/],
  ],
  MatMulIntegerToFloat: [
    [[[2, 3], [4, 5], [], [5], [], []], {}, /MatMulIntegerToFloat: .*\[2, 3\] × \[4, 5\]/],
    [[[2, 3], [3, 5], [], [3], [], []], {}, /MatMulIntegerToFloat: scale: expected \[5\], got \[3\]/],
  ],
  MatMulNBits: [
    [[[2, 64], [5, 3, 16], [10]], { blockSize: 32 }, /MatMulNBits: b: expected \[5, 2, 16\], got \[5, 3, 16\]/],
    [[[2, 64], [5, 2, 16], [5]], { blockSize: 32 }, /MatMulNBits: scale: expected \[10\], got \[5\]/],
  ],
  ReduceMax: [],
  Abs: [],
  Neg: [],
  Exp: [],
  Log: [],
  Sqrt: [],
  Reciprocal: [],
  Sigmoid: [],
  Erf: [],
  Cos: [],
  Sin: [],
  Gelu: [],
  QuickGelu: [],
  Softmax: [],
  LogSoftmax: [],
  Cast: [],
  Not: [],
  ArgMax: [],
  CumSum: [],
};

describe("a shape rule refuses, and says what it got", () => {
  const all = Object.entries(wrong).flatMap(([op, list]) =>
    (list as readonly Wrong<Op>[]).map((one) => [op, ...one] as const),
  );
  it.each(all)("%s of %j with %j", (op, shapes, attrs, message) => {
    const g = createGraph();
    const build = () =>
      g.op(op as Op, shapes.map((shape, i) => g.input(`x${i}`, "float32", shape)) as Ops[Op]["in"], attrs);
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
    expect(g.nodes.size).toBe(0);
  });
});

describe("sizes known only at run time", () => {
  it("broadcast with one and with themselves", () => {
    expect(broadcastShapes(["time", 1], [1, 3], "here")).toEqual(["time", 3]);
    expect(broadcastShapes(["time"], ["time"], "here")).toEqual(["time"]);
  });

  it("grow by name when concatenated", () => {
    const g = createGraph();
    const past = g.input("past", "float32", [2, "past", 4]);
    const now = g.input("now", "float32", [2, 1, 4]);
    expect(g.op("Concat", [past, now], { axis: 1 }).shape).toEqual([2, "past+1", 4]);
  });
});

describe("broadcasting", () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 });
  const attempt = <T>(f: () => T) => {
    try {
      return f();
    } catch {
      return "refused";
    }
  };

  it("is symmetric, and agrees with the interpreter's", () => {
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        const found = attempt(() => broadcastShapes(a, b, "here"));
        expect(found).toEqual(attempt(() => broadcastShapes(b, a, "here")));
        expect(found).toEqual(attempt(() => broadcast(a, b)));
      }),
    );
  });
});

describe("constants", () => {
  it("are stored once when type, shape and numbers are equal", () => {
    const g = createGraph();
    expect(g.constant([1, 2])).toBe(g.constant(Float32Array.of(1, 2)));
    expect(g.constant([1, 2], [2, 1])).not.toBe(g.constant([1, 2]));
    expect(g.integers([1, 2])).not.toBe(g.constant([1, 2]));
    expect(g.constant([1], [])).not.toBe(g.constant([1]));
  });

  it("keep 0.1 + 0.2 and 0.3 together only as far as float32 does", () => {
    const g = createGraph();
    expect(g.constant([0.1 + 0.2])).toBe(g.constant([0.3]));
    expect(g.constant([1])).not.toBe(g.constant([1 + 2 ** -23]));
  });

  it("appear once in the file", () => {
    const g = createGraph();
    const double = (x: ReturnType<Graph["input"]>) => g.op("Mul", [x, g.constant([2], [])], {});
    const y = double(double(double(g.input("x", "float32", [2]))));
    expect(readModel(serialiseModel(g, { y })).initialisers).toHaveLength(1);
  });

  it("must fill their shape", () => {
    expect(() => createGraph().constant([1, 2, 3], [2, 2])).toThrow(/3 numbers do not fill \[2, 2\]/);
  });

  it("do not follow later changes of the array they were made from", () => {
    const g = createGraph();
    const source = Float32Array.of(1, 2);
    g.constant(source);
    source[0] = 9;
    expect([...g.constants.values()].map(({ data }) => data)).toEqual([Float32Array.of(1, 2)]);
  });
});

describe("a Loop refuses", () => {
  const loop = (
    shape: Shape,
    step: (body: Graph, state: ReturnType<Graph["input"]>) => readonly ReturnType<Graph["input"]>[],
    bool = true,
  ) => {
    const g = createGraph();
    return () =>
      g.loop(g.integers([2], []), [{ initial: g.input("x", "float32", [2]), shape }], (body, iteration, [state]) => ({
        condition: bool ? body.op("Less", [iteration, body.integers([9], [])], {}) : iteration,
        carried: step(body, state!),
        collected: [],
      }));
  };

  it("a step that returns another number of carried values", () => {
    expect(loop([2], () => [])).toThrow(/expected 1 carried values from its body, got 0/);
  });

  it("a carried value that changes its shape or type", () => {
    expect(loop([2], (body, state) => [reduceSum(body, state, [0])])).toThrow(
      /carried value 0 after a step: expected float32 \[2\], got float32 \[\]/,
    );
    expect(loop([2], (body, state) => [body.op("Cast", [state], { to: "int64" })])).toThrow(/got int64 \[2\]/);
  });

  it("an initial value that is not of the declared shape", () => {
    expect(loop([3], (_, state) => [state])).toThrow(/initial value 0: expected float32 \[3\], got float32 \[2\]/);
  });

  it("a condition that is no truth value", () => {
    expect(loop([2], (_, state) => [state], false)).toThrow(/condition: expected bool \[\], got int64 \[\]/);
  });
});
