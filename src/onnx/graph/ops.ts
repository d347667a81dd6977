import { ShapeError } from "../../errors";
import {
  broadcastShapes,
  elementCount,
  normalAxis,
  runTimeSizes,
  sameShape,
  showShape,
  staticDim,
  staticSizes,
} from "./shapes";
import type { DType, Op, Ops, Shape, Value } from "./value";

/** An attribute as the file has it: integers, or one float. */
export type Attribute = number | readonly number[] | { readonly float: number } | { readonly string: string };

interface Encoding {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Constant int64 inputs that follow the tensor inputs; a bare number is a scalar. */
  readonly constants?: readonly (number | readonly number[])[];
}

interface OpRule<O extends Op> {
  readonly domain?: string;
  /** The output that is used (0). */
  readonly output?: number;
  /** Whether onnxruntime writes the output over an input of the same size that nobody else reads (no). */
  readonly inPlace?: boolean;
  readonly shape: (inputs: Ops[O]["in"], attrs: Ops[O]["attrs"]) => Shape;
  /** The output's type (the first input's). */
  readonly dtype?: (inputs: Ops[O]["in"], attrs: Ops[O]["attrs"]) => DType;
  readonly encode?: (attrs: Ops[O]["attrs"], inputs: Ops[O]["in"]) => Encoding;
}

const microsoft = "com.microsoft";
const same = ([x]: readonly [Value, ...Value[]]) => x.shape;
const bool = () => "bool" as const;
const broadcast =
  (op: string) =>
  ([a, b]: readonly [Value, Value]) =>
    broadcastShapes(a.shape, b.shape, op);
const unary = { shape: same };
const elementwise = { shape: same, inPlace: true };
const binary = (op: string) => ({ shape: broadcast(op), inPlace: true });
const comparison = (op: string) => ({ shape: broadcast(op), dtype: bool });
const lastAxis = { encode: () => ({ attributes: { axis: -1 } }) };
const reduction = { string: "add" };

function mustBe(what: string, { shape }: Value, expected: Shape): void {
  if (!sameShape(shape, expected))
    throw new ShapeError(`${what}: expected ${showShape(expected)}, got ${showShape(shape)}`);
}

export const opRules: { readonly [O in Op]: OpRule<O> } = {
  Add: binary("Add"),
  Sub: binary("Sub"),
  Mul: binary("Mul"),
  Div: binary("Div"),
  Neg: elementwise,
  Abs: unary,
  Exp: elementwise,
  Log: elementwise,
  Sqrt: elementwise,
  Reciprocal: elementwise,
  Sigmoid: elementwise,
  Erf: elementwise,
  Cos: unary,
  Sin: unary,
  Gelu: { ...unary, encode: ({ approximate = "none" }) => ({ attributes: { approximate: { string: approximate } } }) },
  QuickGelu: { ...unary, domain: microsoft, encode: ({ alpha }) => ({ attributes: { alpha: { float: alpha } } }) },
  MatMul: {
    shape: ([a, b]) => {
      const [n, k] = a.shape.slice(-2);
      const [l, m] = b.shape.slice(-2);
      if (n === undefined || k === undefined || m === undefined || k !== l)
        throw new ShapeError(`MatMul: expected equal inner sizes, got ${showShape(a.shape)} × ${showShape(b.shape)}`);
      return [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), "MatMul"), n, m];
    },
  },
  Gemm: {
    shape: ([a, b, c], { transA, transB }) => {
      const [n, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
      const [l, m] = transB ? [b.shape[1], b.shape[0]] : b.shape;
      if (a.shape.length !== 2 || b.shape.length !== 2 || k !== l)
        throw new ShapeError(
          `Gemm: expected two matrices with equal inner sizes, got ${showShape(a.shape)}${transA ? "ᵀ" : ""} × ${showShape(b.shape)}${transB ? "ᵀ" : ""}`,
        );
      if (c) mustBe("Gemm: what is added", c, c.shape.length === 1 ? [m!] : [n!, m!]);
      return [n!, m!];
    },
    encode: ({ transA = false, transB = false, alpha = 1 }) => ({
      attributes: { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
    }),
  },
  Reshape: {
    shape: ([x], { shape }) => {
      const [before, after] = [runTimeSizes(x.shape), runTimeSizes(shape)];
      if (after.length > 1)
        throw new ShapeError(`Reshape: expected at most one size known at run time only, got ${showShape(shape)}`);
      // Two sizes of different names differ by a factor that only the run shows.
      if (after.length === 1 && !sameShape(before, after)) return shape;
      const [known, wanted] = after.length === 0 ? [x.shape, shape] : [x.shape, shape].map(staticSizes);
      if (elementCount(known!, "Reshape") !== elementCount(wanted!, "Reshape"))
        throw new ShapeError(`Reshape: ${showShape(x.shape)} has another number of elements than ${showShape(shape)}`);
      return shape;
    },
    encode: ({ shape }) => ({ constants: [shape.map((dim) => (typeof dim === "string" ? -1 : dim))] }),
  },
  Transpose: {
    shape: ([x], { perm }) => {
      if (
        !sameShape(
          [...perm].sort((a, b) => a - b),
          x.shape.map((_, i) => i),
        )
      )
        throw new ShapeError(
          `Transpose: expected a permutation of the axes of ${showShape(x.shape)}, got ${showShape(perm)}`,
        );
      return perm.map((axis) => x.shape[axis]!);
    },
    encode: ({ perm }) => ({ attributes: { perm } }),
  },
  Concat: {
    shape: (inputs, attrs) => {
      const first = inputs[0];
      if (!first) throw new ShapeError("Concat: expected at least one input");
      const axis = normalAxis(attrs.axis, first.shape.length, "Concat");
      const others = (shape: Shape) => shape.filter((_, i) => i !== axis);
      for (const { shape } of inputs)
        if (shape.length !== first.shape.length || !sameShape(others(shape), others(first.shape)))
          throw new ShapeError(`Concat along axis ${axis}: ${showShape(shape)} does not fit ${showShape(first.shape)}`);
      const sizes = inputs.map(({ shape }) => shape[axis]!);
      const total = sizes.every((size) => typeof size === "number")
        ? sizes.reduce((a, b) => a + b, 0)
        : sizes.join("+");
      return first.shape.map((dim, i) => (i === axis ? total : dim));
    },
    encode: ({ axis }) => ({ attributes: { axis } }),
  },
  Slice: {
    shape: ([x], { axis, start, end }) => {
      const size = staticDim(x.shape[axis], "Slice");
      if (start < 0 || end > size || start >= end)
        throw new ShapeError(`Slice: ${start}…${end} is not inside axis ${axis} of ${showShape(x.shape)}`);
      return x.shape.map((dim, i) => (i === axis ? end - start : dim));
    },
    encode: ({ axis, start, end }) => ({ constants: [[start], [end], [axis]] }),
  },
  Pad: {
    shape: ([x], { axis, before, after }) => {
      const size = staticDim(x.shape[axis], "Pad");
      if (before < 0 || after < 0) throw new ShapeError(`Pad: expected to add zeros, got ${before} and ${after}`);
      return x.shape.map((dim, i) => (i === axis ? before + size + after : dim));
    },
    encode: ({ axis, before, after }, [x]) => {
      const pads = (amount: number) => x.shape.map((_, i) => (i === axis ? amount : 0));
      return { constants: [[...pads(before), ...pads(after)]] };
    },
  },
  Expand: {
    shape: ([x], { shape }) => {
      if (!sameShape(broadcastShapes(x.shape, shape, "Expand"), shape))
        throw new ShapeError(`Expand: ${showShape(x.shape)} does not expand to ${showShape(shape)}`);
      return shape;
    },
    encode: ({ shape }) => ({ constants: [shape] }),
  },
  Gather: {
    shape: ([data, index]) => {
      if (data.shape.length === 0) throw new ShapeError("Gather: a scalar has no rows to pick");
      return [...index.shape, ...data.shape.slice(1)];
    },
  },
  GatherElements: {
    shape: ([data, index]) => {
      mustBe("GatherElements: index", index, [...data.shape.slice(0, -1), index.shape.at(-1) ?? 1]);
      return index.shape;
    },
    ...lastAxis,
  },
  ScatterElements: {
    shape: ([data, index, updates], attrs) => {
      const axis = normalAxis(attrs.axis, data.shape.length, "ScatterElements");
      mustBe("ScatterElements: index", index, data.shape.with(axis, index.shape[axis] ?? 1));
      mustBe("ScatterElements: updates", updates, index.shape);
      return data.shape;
    },
    encode: ({ axis }) => ({ attributes: { axis, reduction } }),
  },
  ReduceSum: {
    shape: ([x], { axes, keepDims }) => {
      if (!axes.every((axis, i) => axis in x.shape && axes.indexOf(axis) === i))
        throw new ShapeError(`ReduceSum: expected different axes of ${showShape(x.shape)}, got ${showShape(axes)}`);
      return keepDims
        ? x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim))
        : x.shape.filter((_, i) => !axes.includes(i));
    },
    // Without the second attribute, an empty list would mean all axes.
    encode: ({ axes, keepDims }) => ({
      attributes: { keepdims: Number(keepDims), noop_with_empty_axes: 1 },
      constants: [axes],
    }),
  },
  ReduceMax: {
    shape: ([x]) => x.shape.with(-1, 1),
    encode: (_, [x]) => ({ attributes: { keepdims: 1 }, constants: [[x.shape.length - 1]] }),
  },
  Softmax: { ...unary, ...lastAxis },
  LogSoftmax: { ...unary, ...lastAxis },
  LayerNormalization: {
    shape: ([x, scale, bias]) => {
      mustBe("LayerNormalization: scale", scale, x.shape.slice(-1));
      mustBe("LayerNormalization: bias", bias, x.shape.slice(-1));
      return x.shape;
    },
    encode: ({ epsilon }) => ({ attributes: { axis: -1, epsilon: { float: epsilon } } }),
  },
  RMSNormalization: {
    shape: ([x, scale]) => {
      mustBe("RMSNormalization: scale", scale, x.shape.slice(-1));
      return x.shape;
    },
    encode: ({ epsilon }) => ({ attributes: { axis: -1, epsilon: { float: epsilon } } }),
  },
  RotaryEmbedding: {
    shape: ([x, cos, sin]) => {
      const [batch, , time, width] = x.shape;
      const table = [batch!, time!, staticDim(width, "RotaryEmbedding") / 2];
      if (x.shape.length !== 4 || !sameShape(cos.shape, table) || !sameShape(sin.shape, table))
        throw new ShapeError(
          `RotaryEmbedding of ${showShape(x.shape)}: expected tables ${showShape(table)}, got ${showShape(cos.shape)} and ${showShape(sin.shape)}`,
        );
      return x.shape;
    },
  },
  Where: {
    inPlace: true,
    shape: ([condition, a, b]) => broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape, "Where"), "Where"),
    dtype: ([, a]) => a.dtype,
  },
  Cast: { ...elementwise, dtype: (_, { to }) => to, encode: ({ to }) => ({ attributes: { to: dtypeCodes[to] } }) },
  Less: comparison("Less"),
  LessOrEqual: comparison("LessOrEqual"),
  Equal: comparison("Equal"),
  And: comparison("And"),
  Or: comparison("Or"),
  Not: elementwise,
  ArgMax: {
    shape: ([x]) => x.shape.slice(0, -1),
    dtype: () => "int64",
    encode: () => ({ attributes: { axis: -1, keepdims: 0 } }),
  },
  CumSum: {
    ...unary,
    encode: ({ exclusive = false }, [x]) => ({
      constants: [x.shape.length - 1],
      attributes: { exclusive: Number(exclusive) },
    }),
  },
  TopK: {
    shape: ([x]) => {
      staticDim(x.shape.at(-1), "TopK");
      return x.shape;
    },
    dtype: () => "int64",
    output: 1,
    encode: (_, [x]) => ({ constants: [[staticDim(x.shape.at(-1), "TopK")]] }),
  },
  QuantizeLinear: {
    shape: ([x, scale, zeroPoint]) => {
      mustBe("QuantizeLinear: scale", scale, x.shape.slice(0, 1));
      mustBe("QuantizeLinear: zero point", zeroPoint, x.shape.slice(0, 1));
      return x.shape;
    },
    dtype: () => "uint8",
    encode: () => ({ attributes: { axis: 0 } }),
  },
  MatMulIntegerToFloat: {
    domain: microsoft,
    shape: ([a, b, , scale]) => {
      const [[n, k], [l, m]] = [a.shape, b.shape];
      if (a.shape.length !== 2 || b.shape.length !== 2 || k !== l)
        throw new ShapeError(
          `MatMulIntegerToFloat: expected two matrices with equal inner sizes, got ${showShape(a.shape)} × ${showShape(b.shape)}`,
        );
      mustBe("MatMulIntegerToFloat: scale", scale, [m!]);
      return [n!, m!];
    },
    dtype: () => "float32",
  },
  MatMulNBits: {
    domain: microsoft,
    shape: ([x, b, scale], { blockSize, bits = 4 }) => {
      const [n, k] = x.shape;
      const m = staticDim(b.shape[0], "MatMulNBits");
      const blocks = Math.ceil(staticDim(k, "MatMulNBits") / blockSize);
      mustBe("MatMulNBits: b", b, [m, blocks, (blockSize * bits) / 8]);
      mustBe("MatMulNBits: scale", scale, [m * blocks]);
      return [n!, m];
    },
    encode: ({ blockSize, bits = 4, roundsInput = true }, [x, b]) => ({
      attributes: {
        K: staticDim(x.shape[1], "MatMulNBits"),
        N: staticDim(b.shape[0], "MatMulNBits"),
        bits,
        block_size: blockSize,
        // The least type that a kernel may compute with: 4 is int8, 1 is float32.
        accuracy_level: roundsInput ? 4 : 1,
      },
    }),
  },
};

/** TensorProto.DataType. */
export const dtypeCodes: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
};
