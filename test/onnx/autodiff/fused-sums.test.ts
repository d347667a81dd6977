import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/onnx/autodiff/grad";
import { add, createGraph, type Graph, gather, mul, reshape, scalar } from "../../../src/onnx/graph/graph";
import type { Value } from "../../../src/onnx/graph/value";
import { serialiseModel } from "../../../src/onnx/runtime/serialise";
import { evaluate } from "../graph/interpreter";
import { ndarray } from "../graph/ndarray";
import { readModel } from "../runtime/proto-reader";

/** The gradient of Σ cotangent ⊙ y by x, and the operators that compute it beyond those of y. */
function gradientBy(g: Graph, y: Value, x: Value, cotangent: Value, data: readonly number[]) {
  const [dx] = gradients(g, [{ output: y, cotangent }], [x]);
  const [value] = evaluate(g, [dx!], new Map([["x", ndarray(data, x.shape as number[])]]));
  return {
    data: [...value!.data],
    ops: readModel(serialiseModel(g, { dx: dx! })).ops.filter((op) => op !== "Identity"),
  };
}

const counted = (n: number, first = 1) => Array.from({ length: n }, (_, i) => first + i);

describe("sums of gradients", () => {
  it("are part of the products that make them", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2, 2]);
    const [a, b] = [g.constant(counted(4), [2, 2]), g.constant(counted(4, 5), [2, 2])];
    const y = add(g, g.op("Gemm", [x, a], {}), g.op("Gemm", [x, b], { transB: true, alpha: 2 }));
    const ones = g.constant([1, 1, 1, 1], [2, 2]);
    const { data, ops } = gradientBy(g, y, x, ones, [0, 0, 0, 0]);
    // Σ over columns of aᵀ, and 2 Σ over rows of b.
    expect(data).toEqual([3 + 24, 7 + 28, 3 + 24, 7 + 28]);
    expect(ops).toEqual(["Gemm", "Gemm"]);
  });

  it("begin where rows are scattered to", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [3, 2]);
    const y = add(g, gather(g, x, g.integers([2, 0, 2])), mul(g, x, scalar(g, 10)));
    const { data, ops } = gradientBy(g, y, x, g.constant(counted(6), [3, 2]), counted(6));
    expect(data).toEqual([10 + 3, 20 + 4, 30, 40, 50 + 1 + 5, 60 + 2 + 6]);
    expect(ops).toContain("ScatterElements");
    expect(ops).not.toContain("Add");
  });

  it("of parts side by side are these parts, where each comes next to those before it", () => {
    for (const [order, isNext] of [
      [[0, 1, 2], true],
      [[2, 1, 0], true],
      [[1, 0, 2], true],
      [[1, 2, 0], true],
      [[0, 2, 1], false],
    ] as const) {
      const g = createGraph();
      const x = g.input("x", "float32", [1, 6]);
      const parts = order.map((i) => g.op("Slice", [x], { axis: 1, start: 2 * i, end: 2 * i + 2 }));
      const y = parts.reduce((sum, part) => mul(g, sum, part));
      const { data, ops } = gradientBy(g, y, x, g.constant([1, 1], [1, 2]), counted(6));
      expect(data).toEqual([3 * 5, 4 * 6, 1 * 5, 2 * 6, 1 * 3, 2 * 4]);
      const joins = ops.filter((op) => ["Concat", "Pad", "Add"].includes(op));
      if (isNext) expect(joins).toEqual(["Concat"]);
    }
  });

  it("of parts with a gap or an overlap are added", () => {
    for (const [start, expected] of [
      [2, [1, 1, 2, 2]],
      [1, [1, 3, 2, 0]],
    ] as const) {
      const g = createGraph();
      const x = g.input("x", "float32", [4]);
      const part = (from: number) => g.op("Slice", [x], { axis: 0, start: from, end: from + 2 });
      const y = add(g, part(0), mul(g, scalar(g, 2), part(start)));
      const { data } = gradientBy(g, y, x, g.constant([1, 1], [2]), counted(4));
      expect(data).toEqual(expected);
    }
    const g = createGraph();
    const x = g.input("x", "float32", [5]);
    const part = (from: number) => g.op("Slice", [x], { axis: 0, start: from, end: from + 1 });
    const { data } = gradientBy(g, add(g, part(1), part(4)), x, g.constant([7], [1]), counted(5));
    expect(data).toEqual([0, 7, 0, 0, 7]);
  });

  it("compute nothing twice: a gradient that others need is added as it is", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2, 2]);
    const w = g.constant(counted(4), [2, 2]);
    // The product's gradient goes to x as it is, and to x once more by way of a square.
    const inner = add(g, x, mul(g, x, x));
    const y = g.op("Gemm", [inner, w], {});
    const { data, ops } = gradientBy(g, y, x, g.constant([1, 0, 0, 1], [2, 2]), [1, 2, 3, 4]);
    expect(data).toEqual([1 * 3, 3 * 5, 2 * 7, 4 * 9]);
    expect(ops.filter((op) => op === "Gemm")).toHaveLength(1);
  });

  it("of log-probabilities of chosen tokens fill no vocabulary with zeros", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2, 3]);
    const chosen = g.op("GatherElements", [g.op("LogSoftmax", [x], {}), g.integers([2, 0], [2, 1])], {});
    const cotangent = g.constant([1, -2], [2]);
    const { data, ops } = gradientBy(g, reshape(g, chosen, [2]), x, cotangent, [0, 0, 0, 1, 1, 1]);
    const third = 1 / 3;
    for (const [i, expected] of [-third, -third, 1 - third, -2 + 2 * third, 2 * third, 2 * third].entries())
      expect(data[i]).toBeCloseTo(expected, 12);
    expect(ops).not.toContain("Expand");
    expect(ops).not.toContain("Sub");
    expect(ops).not.toContain("Add");
  });
});
