import { UnsupportedOpError } from "../../errors";
import {
  add,
  cast,
  type Graph,
  matMul,
  mul,
  neg,
  reduceSum,
  reshape,
  scalar,
  sub,
  sumLast,
  swapLast,
  transpose,
  zeros,
} from "../graph/graph";
import { elementCount, normalAxis, staticDim } from "../graph/shapes";
import type { DType, Node, Op, Ops, Value } from "../graph/value";
import { plus, sumOfRows } from "./fused-sums";

/** Operators without a derivative: their outputs are indices or decisions, or they occur only in backward graphs. */
export type NonDifferentiableOp =
  | "Less"
  | "LessOrEqual"
  | "Equal"
  | "And"
  | "Or"
  | "Not"
  | "ArgMax"
  | "CumSum"
  | "TopK"
  | "ScatterElements"
  | "Abs"
  | "ReduceMax"
  | "QuantizeLinear"
  | "MatMulIntegerToFloat"
  | "MatMulNBits";

/** An operator that has a derivative. */
export type DifferentiableOp = Exclude<Op, NonDifferentiableOp>;

/** A gradient for each input, or null if none flows. */
export type OnePer<Inputs> = { [I in keyof Inputs]: Value | null };

/** ȳ → one gradient for each input (null: none flows), up to broadcasting, which the graph walk undoes. */
export type VjpRule<O extends Op> = (g: Graph, node: Node<O>, dy: Value) => OnePer<Ops[O]["in"]>;

/** Vector–Jacobian products. Notation: x̄ is ∂L/∂x; ⊙ is elementwise. */
export const vjpRules: { readonly [O in DifferentiableOp]: VjpRule<O> } = {
  Add: (_, __, dy) => [dy, dy],
  Sub: (g, _, dy) => [dy, neg(g, dy)],
  // y = a ⊙ b          ā = ȳ ⊙ b, b̄ = ȳ ⊙ a
  Mul: (g, { in: [a, b] }, dy) => [mul(g, dy, b), mul(g, dy, a)],
  // y = a / b          ā = ȳ / b, b̄ = −ȳ ⊙ y / b
  Div: (g, { in: [, b], out }, dy) => {
    const da = g.op("Div", [dy, b], {});
    return [da, neg(g, mul(g, da, out))];
  },
  Neg: (g, _, dy) => [neg(g, dy)],
  Exp: (g, { out }, dy) => [mul(g, dy, out)],
  Log: (g, { in: [x] }, dy) => [g.op("Div", [dy, x], {})],
  // y = √x             x̄ = ȳ / 2y
  Sqrt: (g, { out }, dy) => [g.op("Div", [mul(g, dy, scalar(g, 0.5)), out], {})],
  // y = 1/x            x̄ = −ȳ ⊙ y²
  Reciprocal: (g, { out }, dy) => [neg(g, mul(g, dy, mul(g, out, out)))],
  // y = σ(x)           x̄ = ȳ ⊙ y(1 − y)
  Sigmoid: (g, { out }, dy) => [mul(g, dy, mul(g, out, sub(g, scalar(g, 1), out)))],
  // y = erf(x)         x̄ = ȳ ⊙ 2/√π · exp(−x²)
  Erf: (g, { in: [x] }, dy) => [mul(g, dy, mul(g, scalar(g, 2 / Math.sqrt(Math.PI)), gaussian(g, x, 1)))],
  Cos: (g, { in: [x] }, dy) => [neg(g, mul(g, dy, g.op("Sin", [x], {})))],
  Sin: (g, { in: [x] }, dy) => [mul(g, dy, g.op("Cos", [x], {}))],
  // y = x·Φ(x)         x̄ = ȳ ⊙ (Φ(x) + x·φ(x)), Φ(x) = ½(1 + erf(x/√2)), φ(x) = exp(−x²/2)/√2π
  // y = x·s, s = σ(u), u = a(x + bx³): x̄ = ȳ ⊙ s ⊙ (1 + u′(x − y)), u′ = a(1 + 3bx²), where it is approximated
  Gelu: (g, { in: [x], attrs: { approximate }, out }, dy) => {
    if (approximate) {
      const [a, b] = [scalar(g, 2 * Math.sqrt(2 / Math.PI)), 0.044715];
      const square = mul(g, x, x);
      const slope = (factor: number) => mul(g, a, add(g, scalar(g, 1), mul(g, scalar(g, factor), square)));
      const s = g.op("Sigmoid", [mul(g, x, slope(b))], {});
      return [mul(g, dy, mul(g, s, add(g, scalar(g, 1), mul(g, slope(3 * b), sub(g, x, out)))))];
    }
    const erf = g.op("Erf", [mul(g, x, scalar(g, Math.SQRT1_2))], {});
    const cdf = mul(g, scalar(g, 0.5), add(g, erf, scalar(g, 1)));
    const density = mul(g, scalar(g, 1 / Math.sqrt(2 * Math.PI)), gaussian(g, x, 0.5));
    return [mul(g, dy, add(g, cdf, mul(g, x, density)))];
  },
  // y = x·s, s = σ(αx) x̄ = ȳ ⊙ s ⊙ (1 + α(x − y))
  QuickGelu: (g, { in: [x], attrs: { alpha }, out }, dy) => {
    const scaled = (v: Value) => (alpha === 1 ? v : mul(g, scalar(g, alpha), v));
    const s = g.op("Sigmoid", [scaled(x)], {});
    return [mul(g, dy, mul(g, s, add(g, scalar(g, 1), scaled(sub(g, x, out)))))];
  },
  // y = a·b            ā = ȳ·bᵀ, b̄ = aᵀ·ȳ
  MatMul: (g, { in: [a, b] }, dy) => [matMul(g, dy, swapLast(g, b)), matMul(g, swapLast(g, a), dy)],
  // y = α·op(a)·op(b) + c: as above, each transposed if its factor is, times α; c̄ = ȳ
  Gemm: (g, { in: [a, b, ...c], attrs: { transA = false, transB = false, alpha = 1 } }, dy) => {
    const product = (x: Value, y: Value, transA: boolean, transB: boolean) =>
      g.op("Gemm", [x, y], { transA, transB, alpha });
    return [
      transA ? product(b, dy, transB, true) : product(dy, b, false, !transB),
      transB ? product(dy, a, true, transA) : product(a, dy, !transA, false),
      ...(c.map(() => dy) as [] | [Value]),
    ];
  },
  Reshape: (g, { in: [x] }, dy) => [reshape(g, dy, staticShape(x))],
  Transpose: (g, { attrs: { perm } }, dy) => [
    transpose(
      g,
      dy,
      perm.map((_, i) => perm.indexOf(i)),
    ),
  ],
  Concat: (g, { in: inputs, attrs }, dy) => {
    const axis = normalAxis(attrs.axis, dy.shape.length, "Concat");
    let end = 0;
    return inputs.map((x) => {
      const start = end;
      end += staticDim(x.shape[axis], "Concat");
      return g.op("Slice", [dy], { axis, start, end });
    });
  },
  Slice: (g, { in: [x], attrs: { axis, start, end } }, dy) => [
    g.op("Pad", [dy], { axis, before: start, after: staticDim(x.shape[axis], "Slice") - end }),
  ],
  Pad: (g, { in: [x], attrs: { axis, before } }, dy) => [
    g.op("Slice", [dy], { axis, start: before, end: before + staticDim(x.shape[axis], "Pad") }),
  ],
  // The graph walk undoes broadcasting, which sums over the new copies.
  Expand: (_, __, dy) => [dy],
  // y = x[i]           x̄ = Σ ȳ scattered back to the rows they came from. ScatterND cannot be used: onnxruntime adds
  // its rows on several threads at once, and loses some that go to the same place.
  Gather: (g, { in: [data, index] }, dy) => {
    const shape = staticShape(data);
    const count = index.shape.reduce<number>((n, dim) => n * staticDim(dim, "Gather"), 1);
    const width = shape.slice(1).reduce((n, dim) => n * dim, 1);
    const rows = g.op("Expand", [reshape(g, index, [count, 1])], { shape: [count, width] });
    const into = zeros(g, [shape[0]!, width]);
    const sum = g.op("ScatterElements", [into, rows, reshape(g, dy, [count, width])], { axis: 0 });
    return [reshape(g, sum, shape), null];
  },
  GatherElements: (g, { in: [data, index] }, dy) => [
    g.op("ScatterElements", [zeros(g, staticShape(data)), index, dy], { axis: -1 }),
    null,
  ],
  ReduceSum: (g, { in: [x], attrs: { axes } }, dy) => {
    const shape = staticShape(x);
    const kept = shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
    return [g.op("Expand", [reshape(g, dy, kept)], { shape })];
  },
  // y = softmax(x)     x̄ = y ⊙ (ȳ − Σ ȳ ⊙ y)
  Softmax: (g, { out }, dy) => {
    const weighted = mul(g, dy, out);
    return [sub(g, weighted, mul(g, out, sumLast(g, weighted)))];
  },
  // y = log softmax(x) x̄ = ȳ − exp(y) ⊙ Σ ȳ
  LogSoftmax: (g, { out }, dy) => {
    const spread = mul(g, g.op("Exp", [out], {}), neg(g, sumOfRows(g, dy)));
    return [plus(g, { value: dy, isNew: true }, { value: spread, isNew: true })];
  },
  // x̂ = (x − μ)/σ, y = x̂ ⊙ w + b     x̄ = (u − mean(u) − x̂ ⊙ mean(u ⊙ x̂))/σ with u = ȳ ⊙ w; w̄ = ȳ ⊙ x̂, b̄ = ȳ
  LayerNormalization: (g, { in: [x, w], attrs: { epsilon } }, dy) => {
    const centred = sub(g, x, meanLast(g, x));
    const inverse = inverseRoot(g, centred, epsilon);
    const normal = mul(g, centred, inverse);
    const u = mul(g, dy, w);
    const projected = mul(g, normal, meanLast(g, mul(g, u, normal)));
    return [mul(g, inverse, sub(g, sub(g, u, meanLast(g, u)), projected)), mul(g, dy, normal), dy];
  },
  // r = 1/rms(x), y = r·x ⊙ w         x̄ = r·ȳ ⊙ w − r³·(ȳ ⊙ x)·w/n · x; w̄ = Σ r·ȳ ⊙ x: two products with vectors
  RMSNormalization: (g, { in: [x, w], attrs: { epsilon } }, dy) => {
    const width = staticDim(x.shape.at(-1), "RMSNormalization");
    const r = inverseRoot(g, x, epsilon);
    const both = reshape(g, mul(g, dy, x), [elementCount(x.shape, "RMSNormalization") / width, width]);
    const weighted = reshape(g, matMul(g, both, reshape(g, w, [width, 1])), staticShape(r));
    const along = g.op("Div", [mul(g, mul(g, r, mul(g, r, r)), weighted), scalar(g, width)], {});
    const dw = matMul(g, reshape(g, r, [1, both.shape[0] as number]), both);
    return [sub(g, mul(g, mul(g, dy, w), r), mul(g, x, along)), reshape(g, dw, [width])];
  },
  // A rotation's transpose is the rotation by the opposite angle. The tables are constants of the position.
  RotaryEmbedding: (g, { in: [, cos, sin] }, dy) => [g.op("RotaryEmbedding", [dy, cos, neg(g, sin)], {}), null, null],
  Where: (g, { in: [condition] }, dy) => {
    const zero = scalar(g, 0);
    return [null, g.op("Where", [condition, dy, zero], {}), g.op("Where", [condition, zero, dy], {})];
  },
  Cast: (g, { in: [x], attrs: { to } }, dy) => {
    if (isDiscrete(x.dtype) || isDiscrete(to))
      throw new UnsupportedOpError(
        `Cast from ${x.dtype} to ${to} has no derivative, but a gradient was asked through it`,
      );
    return [cast(g, dy, x.dtype)];
  },
};

const isDiscrete = (dtype: DType) => !dtype.includes("float");

const staticShape = (x: Value) => x.shape.map((dim) => staticDim(dim, `gradient of ${x.name}`));

/** Σ over the last axis / its size, kept as size 1. */
const meanLast = (g: Graph, x: Value) =>
  // A product with 1/n would differ, because float32 rounds 1/n.
  g.op("Div", [sumLast(g, x), scalar(g, staticDim(x.shape.at(-1), "mean"))], {});

/** 1/√(mean(x²) + ε) over the last axis. */
const inverseRoot = (g: Graph, x: Value, epsilon: number) =>
  g.op("Reciprocal", [g.op("Sqrt", [add(g, meanLast(g, mul(g, x, x)), scalar(g, epsilon))], {})], {});

/** exp(−k·x²). */
const gaussian = (g: Graph, x: Value, k: number) => g.op("Exp", [mul(g, scalar(g, -k), mul(g, x, x))], {});

/** Sums a gradient over the axes along which its value was broadcast, so that it has the value's shape again. */
export function undoBroadcast(g: Graph, gradient: Value, shape: Value["shape"]): Value {
  const extra = gradient.shape.length - shape.length;
  const leading = Array.from({ length: Math.max(extra, 0) }, (_, i) => i);
  const stretched = shape.flatMap((dim, i) => (dim === 1 && gradient.shape[i + extra] !== 1 ? [i + extra] : []));
  const axes = [...leading, ...stretched];
  const summed = axes.length > 0 ? reduceSum(g, gradient, axes, true) : gradient;
  return reshape(
    g,
    summed,
    shape.map((dim) => staticDim(dim, "gradient")),
  );
}
