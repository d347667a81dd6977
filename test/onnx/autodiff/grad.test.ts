import { describe, expect, it } from "vitest";
import { ShapeError, UnsupportedOpError } from "../../../src/errors";
import { gradients } from "../../../src/onnx/autodiff/grad";
import {
  add,
  cast,
  createGraph,
  type Graph,
  gather,
  matMul,
  mul,
  reduceSum,
  scalar,
  sub,
} from "../../../src/onnx/graph/graph";
import type { Value } from "../../../src/onnx/graph/value";
import { serialiseModel } from "../../../src/onnx/runtime/serialise";
import { evaluate } from "../graph/interpreter";
import { type NdArray, ndarray } from "../graph/ndarray";
import { readModel } from "../runtime/proto-reader";

/** Gradients of Σ output, as plain numbers. */
function gradientOfSum(g: Graph, output: Value, wrt: readonly Value[], feeds: Record<string, NdArray>) {
  const shape = output.shape as readonly number[];
  const ones = g.op("Expand", [scalar(g, 1)], { shape });
  const values = gradients(g, [{ output, cotangent: ones }], wrt);
  return evaluate(g, values, new Map(Object.entries(feeds))).map(({ data }) => [...data]);
}

const vector = (...numbers: number[]) => ndarray(numbers, [numbers.length]);

describe("the reverse walk", () => {
  it("adds up what comes back along every path", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const square = mul(g, x, x);
    // y = x² · x² + x² + x, so y' = 4x³ + 2x + 1
    const y = add(g, add(g, mul(g, square, square), square), x);
    expect(gradientOfSum(g, y, [x], { x: vector(2, -1) })).toEqual([[37, -5]]);
  });

  it("visits a shared subexpression once, however often it is used", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    let y: Value = x;
    // Doubling thirty times: a walk along paths instead of nodes would take 2^30 steps.
    for (let i = 0; i < 30; i++) y = add(g, y, y);
    const before = g.nodes.size;
    expect(gradientOfSum(g, y, [x], { x: vector(1) })).toEqual([[2 ** 30]]);
    expect(g.nodes.size - before).toBeLessThan(40);
  });

  it("goes through networks deeper than the call stack", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    let y: Value = x;
    for (let i = 0; i < 20_000; i++) y = g.op("Neg", [y], {});
    expect(gradientOfSum(g, y, [x], { x: vector(3) })).toEqual([[1]]);
    expect(readModel(serialiseModel(g, { y })).ops).toHaveLength(20_001);
  });

  it("gives zeros of the right shape where no path leads", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const stranger = g.input("stranger", "float32", [1, 3]);
    const [dx, none] = gradients(g, [{ output: mul(g, x, x), cotangent: x }], [x, stranger]);
    expect(none!.shape).toEqual([1, 3]);
    expect(evaluate(g, [none!], new Map())[0]!.data).toEqual(new Float64Array(3));
    expect(dx!.shape).toEqual([2]);
  });

  it("adds the gradients of several outputs, one of which is built on another", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    const a = mul(g, x, x);
    const b = mul(g, a, x);
    const [dx] = gradients(
      g,
      [
        { output: a, cotangent: scalarVector(g, 10) },
        { output: b, cotangent: scalarVector(g, 1) },
      ],
      [x],
    );
    // 10 · 2x + 3x² at x = 2
    expect([...evaluate(g, [dx!], new Map([["x", vector(2)]]))[0]!.data]).toEqual([52]);
  });

  it("takes an output itself as variable: its gradient is the cotangent", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const y = mul(g, x, x);
    expect(gradientOfSum(g, y, [y], { x: vector(3, 4) })).toEqual([[1, 1]]);
  });

  it("gives the gradient by an intermediate value, and holds it fixed for the variables before it", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    const h = mul(g, x, x);
    const y = mul(g, h, x);
    // y = h · x: ∂y/∂h = x, and with h fixed ∂y/∂x = h.
    expect(gradientOfSum(g, y, [h, x], { x: vector(3) })).toEqual([[3], [9]]);
    expect(gradientOfSum(g, y, [x], { x: vector(3) })).toEqual([[27]]);
  });

  it("sums over the axes along which a value was broadcast", () => {
    const g = createGraph();
    const row = g.input("row", "float32", [3]);
    const column = g.input("column", "float32", [2, 1]);
    const one = g.input("one", "float32", []);
    const y = add(g, mul(g, row, column), one);
    const feeds = { row: vector(1, 2, 3), column: ndarray([10, 20], [2, 1]), one: ndarray([0], []) };
    expect(gradientOfSum(g, y, [row, column, one], feeds)).toEqual([[30, 30, 30], [6, 6], [6]]);
    expect(gradients(g, [{ output: y, cotangent: y }], [row, column, one]).map(({ shape }) => shape)).toEqual([
      [3],
      [2, 1],
      [],
    ]);
  });

  it("adds rows that were gathered twice", () => {
    const g = createGraph();
    const table = g.input("table", "float32", [3, 2]);
    const rows = gather(g, table, g.integers([2, 2, 0]));
    expect(gradientOfSum(g, rows, [table], { table: ndarray([1, 2, 3, 4, 5, 6], [3, 2]) })).toEqual([
      [1, 1, 0, 0, 2, 2],
    ]);
  });

  it("can be walked again for second derivatives", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    const y = mul(g, mul(g, x, x), x);
    const [dy] = gradients(g, [{ output: y, cotangent: scalarVector(g, 1) }], [x]);
    expect(gradientOfSum(g, dy!, [x], { x: vector(5) })).toEqual([[30]]);
  });
});

describe("what has no derivative", () => {
  it("is an error that names the operator, when it lies on the path", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [3]);
    const y = g.op("CumSum", [x], {});
    expect(() => gradients(g, [{ output: y, cotangent: y }], [x])).toThrow(UnsupportedOpError);
    expect(() => gradients(g, [{ output: y, cotangent: y }], [x])).toThrow(/CumSum has no derivative/);
  });

  it("is an error where a number passes through integers or truth values", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [3]);
    const rounded = cast(g, cast(g, x, "int64"), "float32");
    const chosen = cast(g, g.op("Less", [x, scalar(g, 0)], {}), "float32");
    for (const y of [rounded, chosen])
      expect(() => gradients(g, [{ output: y, cotangent: x }], [x])).toThrow(UnsupportedOpError);
  });

  it("is an error for a Loop", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    const { carried } = g.loop(g.integers([3], []), [{ initial: x }], (body, _, [state]) => ({
      condition: cast(body, body.integers([1], []), "bool"),
      carried: [add(body, state!, state!)],
      collected: [],
    }));
    const y = mul(g, carried[0]!, x);
    expect(() => gradients(g, [{ output: y, cotangent: x }], [x])).toThrow(/Loop has no derivative/);
  });

  it("is no error off the path: conditions and indices may depend on a variable", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [3]);
    const relu = g.op("Where", [g.op("Less", [scalar(g, 0), x], {}), x, scalar(g, 0)], {});
    const top = gather(g, x, g.op("ArgMax", [x], {}));
    const feeds = { x: vector(-1, 2, 3) };
    expect(gradientOfSum(g, relu, [x], feeds)).toEqual([[0, 1, 1]]);
    expect(gradientOfSum(g, top, [x], feeds)).toEqual([[0, 0, 1]]);
  });

  it("costs nothing when no variable is behind it", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [3]);
    const mask = cast(g, g.op("Less", [g.input("other", "float32", [3]), scalar(g, 0)], {}), "float32");
    expect(gradientOfSum(g, mul(g, x, mask), [x], { x: vector(1, 1, 1), other: vector(-1, 1, -1) })).toEqual([
      [1, 0, 1],
    ]);
  });
});

describe("what the walk emits", () => {
  it("refuses a cotangent of another shape than its output, even one that would broadcast", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2, 3]);
    for (const shape of [[3], [2, 1], [3, 2], []]) {
      const cotangent = g.input(`c${shape}`, "float32", shape);
      expect(() => gradients(g, [{ output: x, cotangent }], [x])).toThrow(ShapeError);
    }
  });

  it("spends nothing on gradients of constants", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2, 3]);
    const frozen = g.input("frozen", "float32", [3, 4]);
    const y = matMul(g, x, frozen);
    const [dx] = gradients(g, [{ output: y, cotangent: y }], [x]);
    // y = x·w, x̄ = ȳ·wᵀ; the product xᵀ·ȳ for the frozen w is made by the rule, but no part of the model.
    expect(readModel(serialiseModel(g, { dx: dx! })).ops.sort()).toEqual(["Identity", "MatMul", "MatMul", "Transpose"]);
  });

  it("leaves dead nodes, inputs and constants out of the file", () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const unused = g.input("unused", "float32", [2]);
    const y = add(g, x, g.constant([1, 2]));
    const small = serialiseModel(g, { y });
    const dead = sub(g, mul(g, unused, x), g.constant([7, 8]));
    expect(serialiseModel(g, { y })).toEqual(small);
    expect(readModel(small)).toMatchObject({ ops: ["Add", "Identity"], inputs: ["x"], outputs: ["y"] });
    expect(readModel(small).initialisers).toHaveLength(1);
    expect(readModel(serialiseModel(g, { y, dead })).ops).toHaveLength(5);
  });
});

const scalarVector = (g: Graph, x: number) => reduceSum(g, g.constant([x], [1, 1]), [0]);
