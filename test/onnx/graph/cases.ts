import { gradients } from "../../../src/onnx/autodiff/grad";
import type { DifferentiableOp } from "../../../src/onnx/autodiff/vjp";
import { cast, type Graph } from "../../../src/onnx/graph/graph";
import type { DType, Op, Ops, Value } from "../../../src/onnx/graph/value";
import { createRng } from "../../../src/rng";
import { type NdArray, ndarray, sizeOf } from "./ndarray";

/** A tensor that a case feeds. Every number is a float32 number, so that both precisions start from the same. */
export interface Operand {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** The rule promises no gradient, although it is a float. */
  readonly fixed?: boolean;
}

type OnePer<Inputs> = { readonly [I in keyof Inputs]: Operand };

export interface Case<O extends Op = Op> {
  readonly in: OnePer<Ops[O]["in"]>;
  readonly attrs: Ops[O]["attrs"];
}

const rng = createRng(20_250_813, "operator cases");
const draw = (shape: readonly number[], f: () => number): Operand => ({
  dtype: "float32",
  shape,
  values: Array.from({ length: sizeOf(shape) }, () => Math.fround(f())),
});
const normal = (...shape: number[]) => draw(shape, () => rng.normal());
const wide = (...shape: number[]) => draw(shape, () => 6 * rng.normal());
const positive = (...shape: number[]) => draw(shape, () => 0.3 + 2 * rng.uniform());
/** Either sign, never near zero. */
const away = (...shape: number[]) => draw(shape, () => (rng.uniform() < 0.5 ? -1 : 1) * (0.5 + rng.uniform()));
/** Few different values, so that some are equal. */
const tied = (...shape: number[]) => draw(shape, () => rng.integer(3));
/** Multiples of 1/8 up to 4: exact in half precision too. */
const eighths = (...shape: number[]) => draw(shape, () => (rng.integer(65) - 32) / 8);
/** Whole numbers from 0 to 12, the same ones every time. */
const steps = (...shape: number[]): Operand => {
  let next = 0;
  return draw(shape, () => (5 * next++) % 13);
};
const truths = (...shape: number[]): Operand => ({ ...draw(shape, () => rng.integer(2)), dtype: "bool" });
const integers = (values: readonly number[], shape: readonly number[] = [values.length]): Operand => ({
  dtype: "int64",
  shape,
  values,
});
const floats = (values: readonly number[], shape: readonly number[] = [values.length]): Operand => ({
  dtype: "float32",
  shape,
  values: values.map(Math.fround),
});
const bytes = (values: readonly number[], shape: readonly number[] = [values.length]): Operand => ({
  dtype: "uint8",
  shape,
  values,
});
const anyBytes = (...shape: number[]): Operand => ({
  ...draw(shape, () => rng.integer(256)),
  dtype: "uint8",
});
const fixed = (operand: Operand): Operand => ({ ...operand, fixed: true });
const angles = (...shape: number[]) => {
  const turn = draw(shape, () => 6 * rng.uniform());
  const table = (f: (x: number) => number) => fixed({ ...turn, values: turn.values.map((x) => Math.fround(f(x))) });
  return [table(Math.cos), table(Math.sin)] as const;
};

const unary = (...inputs: Operand[]) => inputs.map((x) => ({ in: [x] as const, attrs: {} }));
const binary = (...pairs: (readonly [Operand, Operand])[]) => pairs.map((pair) => ({ in: pair, attrs: {} }));
/** Equal shapes, and every way to broadcast: a row, a column, a scalar, from the left, from the right, both at once. */
const pairs = (a: typeof normal, b: typeof normal) =>
  binary(
    [a(2, 3), b(2, 3)],
    [a(2, 3), b(3)],
    [a(2, 1), b(2, 3)],
    [a(), b(2, 3)],
    [a(4, 2, 3), b(2, 1)],
    [a(2, 1, 3), b(4, 1)],
    [a(1), b(1, 1, 2)],
  );

/** At least one case of every operator; a new one does not compile without. */
export const cases: { readonly [O in Op]: readonly Case<O>[] } = {
  Add: pairs(normal, normal),
  Sub: pairs(normal, normal),
  Mul: pairs(normal, normal),
  Div: pairs(normal, away),
  Neg: unary(normal(2, 3), normal()),
  Abs: unary(normal(2, 3), normal()),
  Exp: unary(normal(2, 3), wide(4)),
  Log: unary(positive(2, 3)),
  Sqrt: unary(positive(2, 3)),
  Reciprocal: unary(away(2, 3)),
  Sigmoid: unary(normal(2, 3), wide(8)),
  Erf: unary(normal(2, 3), wide(8)),
  Cos: unary(normal(2, 3), wide(8)),
  Sin: unary(normal(2, 3), wide(8)),
  Gelu: [{}, { approximate: "tanh" as const }].flatMap((attrs) =>
    [normal(2, 3), wide(8)].map((x) => ({ in: [x] as const, attrs })),
  ),
  QuickGelu: [1, 1.702].flatMap((alpha) =>
    [normal(2, 3), wide(8)].map((x) => ({ in: [x] as const, attrs: { alpha } })),
  ),
  MatMul: binary(
    [normal(2, 3), normal(3, 4)],
    [normal(5, 2, 3), normal(3, 4)],
    [normal(2, 3), normal(5, 3, 4)],
    [normal(2, 1, 2, 3), normal(1, 3, 3, 2)],
    [normal(2, 2, 2, 3), normal(2, 2, 3, 1)],
    [normal(1, 3), normal(3, 1)],
  ),
  Gemm: [
    { in: [normal(2, 3), normal(3, 4)], attrs: {} },
    { in: [normal(3, 2), normal(3, 4)], attrs: { transA: true } },
    { in: [normal(2, 3), normal(4, 3)], attrs: { transB: true } },
    { in: [normal(3, 2), normal(4, 3)], attrs: { transA: true, transB: true } },
    {
      in: [floats([1, -2, 0.5, 3, 0.1, -1], [2, 3]), floats([0.3, 2, -1, 1, 0.7, -0.2], [3, 2]), floats([5, -0.4])],
      attrs: { alpha: -1.5 },
    },
    {
      in: [floats([1, -2, 0.5], [3, 1]), floats([0.3, 2, -1, 1, 0.7, -0.2], [2, 3]), floats([5, -0.4], [1, 2])],
      attrs: { transA: true, transB: true, alpha: 2 },
    },
    { in: [floats([1, -2], [2, 1]), floats([0.3, 2], [1, 2]), floats([5, -0.4, 2, 3], [2, 2])], attrs: {} },
  ],
  Reshape: [
    { in: [normal(2, 6)], attrs: { shape: [3, 4] } },
    { in: [normal(2, 3)], attrs: { shape: [6] } },
    { in: [normal(1)], attrs: { shape: [] } },
  ],
  Transpose: [
    { in: [normal(2, 3)], attrs: { perm: [1, 0] } },
    { in: [normal(2, 3, 4)], attrs: { perm: [2, 0, 1] } },
    { in: [normal(2, 3, 1, 2)], attrs: { perm: [0, 2, 1, 3] } },
  ],
  Concat: [
    { in: [normal(2, 3), normal(1, 3)], attrs: { axis: 0 } },
    { in: [normal(2, 1, 2), normal(2, 2, 2), normal(2, 3, 2)], attrs: { axis: 1 } },
    { in: [normal(2, 3), normal(2, 2)], attrs: { axis: -1 } },
    { in: [normal(2)], attrs: { axis: 0 } },
  ],
  Slice: [
    { in: [normal(5)], attrs: { axis: 0, start: 1, end: 3 } },
    { in: [normal(2, 4, 3)], attrs: { axis: 1, start: 0, end: 2 } },
    { in: [normal(2, 4)], attrs: { axis: 1, start: 0, end: 4 } },
  ],
  Pad: [
    { in: [normal(3)], attrs: { axis: 0, before: 1, after: 2 } },
    { in: [normal(2, 3, 2)], attrs: { axis: 1, before: 0, after: 1 } },
    { in: [normal(2, 2)], attrs: { axis: 1, before: 0, after: 0 } },
  ],
  Expand: [
    { in: [normal(1, 3)], attrs: { shape: [2, 3] } },
    { in: [normal(2, 1)], attrs: { shape: [4, 2, 3] } },
    { in: [normal()], attrs: { shape: [2, 2] } },
    { in: [normal(2, 3)], attrs: { shape: [2, 3] } },
  ],
  Gather: [
    { in: [normal(4, 3), integers([2, 0, 2, 2])], attrs: {} },
    { in: [normal(3), integers([1, 1, 0], [3, 1])], attrs: {} },
    { in: [normal(3, 2, 2), integers([2, 1, 0, 1], [2, 2])], attrs: {} },
    { in: [normal(3, 2), integers([1], [])], attrs: {} },
  ],
  GatherElements: [
    { in: [normal(2, 4), integers([3, 3, 0, 1], [2, 2])], attrs: {} },
    { in: [normal(2, 3), integers([0, 2], [2, 1])], attrs: {} },
    { in: [normal(2, 1, 3), integers([0, 0, 1, 2, 2, 2, 1, 1], [2, 1, 4])], attrs: {} },
  ],
  ScatterElements: [
    { in: [normal(2, 4), integers([3, 3, 0, 1], [2, 2]), normal(2, 2)], attrs: { axis: -1 } },
    { in: [normal(2, 1, 3), integers([0, 0, 1, 2, 2, 2, 1, 1], [2, 1, 4]), normal(2, 1, 4)], attrs: { axis: 2 } },
    { in: [normal(4, 2), integers([2, 2, 0, 0, 2, 1], [3, 2]), normal(3, 2)], attrs: { axis: 0 } },
  ],
  ReduceSum: [
    { in: [normal(2, 3)], attrs: { axes: [1], keepDims: true } },
    { in: [normal(2, 3)], attrs: { axes: [0], keepDims: false } },
    { in: [normal(2, 3, 4)], attrs: { axes: [2, 0], keepDims: false } },
    { in: [normal(2, 3)], attrs: { axes: [0, 1], keepDims: false } },
    { in: [normal(2, 3)], attrs: { axes: [], keepDims: false } },
  ],
  ReduceMax: unary(normal(2, 3), tied(2, 2, 4), normal(5)),
  Softmax: unary(normal(2, 3), wide(2, 2, 4), normal(3, 1)),
  LogSoftmax: unary(normal(2, 3), wide(2, 2, 4), normal(3, 1)),
  LayerNormalization: [
    { in: [normal(2, 4), normal(4), normal(4)], attrs: { epsilon: 1e-6 } },
    { in: [wide(2, 2, 3), normal(3), normal(3)], attrs: { epsilon: 0.5 } },
  ],
  RMSNormalization: [
    { in: [normal(2, 4), normal(4)], attrs: { epsilon: 1e-6 } },
    { in: [wide(2, 2, 3), normal(3)], attrs: { epsilon: 0.5 } },
  ],
  RotaryEmbedding: [
    { in: [normal(1, 1, 1, 2), ...angles(1, 1, 1)], attrs: {} },
    { in: [normal(2, 3, 4, 8), ...angles(2, 4, 4)], attrs: {} },
  ],
  Where: [
    { in: [truths(2, 3), normal(2, 3), normal(2, 3)], attrs: {} },
    { in: [truths(3), normal(2, 1), normal()], attrs: {} },
    { in: [truths(2, 3), normal(), normal(4, 1, 1)], attrs: {} },
  ],
  Cast: [
    { in: [eighths(2, 3)], attrs: { to: "float16" } },
    { in: [eighths(2, 3)], attrs: { to: "bfloat16" } },
    { in: [normal(2, 3)], attrs: { to: "float32" } },
    { in: [wide(2, 3)], attrs: { to: "int64" } },
    { in: [tied(2, 3)], attrs: { to: "bool" } },
    { in: [integers([-3, 0, 2 ** 24])], attrs: { to: "float32" } },
    { in: [truths(5)], attrs: { to: "float32" } },
    { in: [truths(5)], attrs: { to: "int64" } },
  ],
  Less: [...binary([integers([1, 2, 3]), integers([2])]), ...pairs(tied, tied)],
  LessOrEqual: [...binary([integers([1, 2, 3]), integers([2])]), ...pairs(tied, tied)],
  Equal: [...binary([integers([1, 2, 3]), integers([2])], [truths(4), truths(4)]), ...pairs(tied, tied)],
  And: binary([truths(8), truths(8)], [truths(2, 1), truths(3)]),
  Or: binary([truths(8), truths(8)], [truths(2, 1), truths(3)]),
  Not: unary(truths(6)),
  ArgMax: unary(normal(3, 4), tied(2, 2, 6)),
  CumSum: [
    ...unary(normal(5), normal(2, 4), normal(2, 2, 3)),
    { in: [floats([1, -2, 0.5, 3, 0.1, -1], [2, 3])], attrs: { exclusive: true } },
  ],
  TopK: unary(normal(3, 5), tied(2, 2, 6)),
  QuantizeLinear: [
    { in: [eighths(2, 9), floats([0.25, 0.5]), bytes([128, 3])], attrs: {} },
    { in: [wide(3, 4), floats([1, 0.01, 0.3]), bytes([128, 128, 0])], attrs: {} },
  ],
  MatMulIntegerToFloat: [
    {
      in: [
        ...[anyBytes(2, 3), anyBytes(3, 4), floats([1], []), positive(4)],
        ...[bytes([128], []), bytes([128], [])],
      ] as const,
      attrs: {},
    },
    {
      in: [
        ...[anyBytes(1, 300), anyBytes(300, 2), floats([1], []), positive(2)],
        ...[bytes([7], []), bytes([130], [])],
      ] as const,
      attrs: {},
    },
  ],
  MatMulNBits: [
    { in: [normal(2, 32), anyBytes(3, 1, 16), positive(3)], attrs: { blockSize: 32 } },
    { in: [normal(3, 72), anyBytes(5, 3, 16), positive(15)], attrs: { blockSize: 32 } },
    { in: [normal(3, 72), anyBytes(5, 3, 32), positive(15)], attrs: { blockSize: 32, bits: 8 as const } },
    {
      in: [steps(3, 72), { ...steps(5, 3, 16), dtype: "uint8" }, steps(15)],
      attrs: { blockSize: 32, roundsInput: false },
    },
  ],
};

/** The cases between numbers that have a derivative; a rule without cases does not compile. */
export const differentiable: { readonly [O in DifferentiableOp]: readonly Case<O>[] } = {
  ...cases,
  Cast: cases.Cast.filter(({ in: [x], attrs: { to } }) => x.dtype === "float32" && to !== "int64" && to !== "bool"),
};

/** The operator on inputs called `prefix0`, `prefix1`, …, and what to feed them with. */
export function buildCase(graph: Graph, op: Op, { in: operands, attrs }: Case, prefix: string) {
  // Bytes cannot be fed.
  const inputs = operands.map(({ dtype, shape }, i) =>
    cast(graph, graph.input(`${prefix}${i}`, dtype === "uint8" ? "int64" : dtype, shape), dtype),
  );
  const feeds = new Map(operands.map(({ values, shape }, i) => [`${prefix}${i}`, ndarray(values, shape)]));
  const wrt = inputs.filter((_, i) => operands[i]!.dtype === "float32" && !operands[i]!.fixed);
  return { output: graph.op(op, inputs as Ops[Op]["in"], attrs), wrt, feeds };
}

/** The derivative of ⟨output, c⟩ for a random c, which is fed as `prefixCotangent`. */
export function buildGradients(graph: Graph, output: Value, wrt: readonly Value[], prefix: string) {
  const shape = output.shape as readonly number[];
  const cotangent = graph.input(`${prefix}Cotangent`, output.dtype, shape);
  const feeds = new Map<string, NdArray>([[cotangent.name, ndarray(eighths(...shape).values, shape)]]);
  return { gradients: gradients(graph, [{ output, cotangent }], wrt), feeds };
}

export const titleOf = ({ in: operands, attrs }: Case) =>
  `${operands.map(({ dtype, shape }) => `${dtype === "float32" ? "" : `${dtype} `}[${shape}]`).join(", ")} ${JSON.stringify(attrs)}`;
