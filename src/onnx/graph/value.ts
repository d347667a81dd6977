/** The type of a tensor's numbers. */
export type DType = "float32" | "float16" | "bfloat16" | "int64" | "uint8" | "bool";

/** A size, or the name of one that is known only at run time (the growing cache inside a Loop). */
export type Dim = number | string;
/** The sizes of a tensor. */
export type Shape = readonly Dim[];

/** One tensor of a graph. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The node that computes it; absent for inputs and constants. */
  readonly node?: Node;
}

/** The inputs and attributes of an operator. */
export interface Signature<In extends readonly unknown[], Attrs> {
  in: In;
  attrs: Attrs;
}
/** No attributes. */
export type None = Record<never, never>;
/** An operator of one tensor. */
export type Unary = Signature<[x: Value], None>;
/** An operator of two tensors. */
export type Binary = Signature<[a: Value, b: Value], None>;
/** The axis that an operator works along. */
export type Axis = { readonly axis: number };

/**
 * The closed set of ONNX operators the library emits: inputs and attributes of each. Adding a line makes the compiler
 * ask for the rest.
 */
export interface Ops {
  Add: Binary;
  Sub: Binary;
  Mul: Binary;
  Div: Binary;
  Neg: Unary;
  Abs: Unary;
  Exp: Unary;
  Log: Unary;
  Sqrt: Unary;
  Reciprocal: Unary;
  Sigmoid: Unary;
  Erf: Unary;
  Cos: Unary;
  Sin: Unary;
  /** x·Φ(x), exact or approximated by tanh: x·σ(2√(2/π)·(x + 0.044715·x³)). */
  Gelu: Signature<[x: Value], { readonly approximate?: "tanh" }>;
  /** x·σ(αx): QuickGELU with α = 1.702, SiLU with α = 1. */
  QuickGelu: Signature<[x: Value], { readonly alpha: number }>;
  MatMul: Binary;
  /** α·op(a)·op(b) (+ c) of two matrices; c is one of the result's size, or a vector that is added to each row. */
  Gemm: Signature<
    [a: Value, b: Value, ...c: [] | [Value]],
    { readonly transA?: boolean; readonly transB?: boolean; readonly alpha?: number }
  >;
  /** One size of `shape` may be known at run time only: it takes all elements that the others leave. */
  Reshape: Signature<[x: Value], { readonly shape: Shape }>;
  Transpose: Signature<[x: Value], { readonly perm: readonly number[] }>;
  Concat: Signature<Value[], Axis>;
  Slice: Signature<[x: Value], Axis & { readonly start: number; readonly end: number }>;
  /** Zeros before and after along one axis. */
  Pad: Signature<[x: Value], Axis & { readonly before: number; readonly after: number }>;
  Expand: Signature<[x: Value], { readonly shape: readonly number[] }>;
  /** Picks rows (axis 0) by int64 index of any shape. */
  Gather: Signature<[data: Value, index: Value], None>;
  /** Picks along the last axis. */
  GatherElements: Signature<[data: Value, index: Value], None>;
  /** data with `updates` added at the positions that `index` names along one axis. */
  ScatterElements: Signature<[data: Value, index: Value, updates: Value], Axis>;
  ReduceSum: Signature<[x: Value], { readonly axes: readonly number[]; readonly keepDims: boolean }>;
  /** Over the last axis, which stays as size 1. */
  ReduceMax: Unary;
  /** Over the last axis. */
  Softmax: Unary;
  LogSoftmax: Unary;
  LayerNormalization: Signature<[x: Value, scale: Value, bias: Value], { readonly epsilon: number }>;
  RMSNormalization: Signature<[x: Value, scale: Value], { readonly epsilon: number }>;
  /** x [B, H, T, d] rotated by half-tables cos, sin [B, T, d/2]. */
  RotaryEmbedding: Signature<[x: Value, cos: Value, sin: Value], None>;
  Where: Signature<[condition: Value, a: Value, b: Value], None>;
  Cast: Signature<[x: Value], { readonly to: DType }>;
  Less: Binary;
  LessOrEqual: Binary;
  Equal: Binary;
  And: Binary;
  Or: Binary;
  Not: Unary;
  /** The index of the largest entry along the last axis, which is dropped; ties go to the first. */
  ArgMax: Unary;
  /** Running sum along the last axis; `exclusive` leaves out the current entry. */
  CumSum: Signature<[x: Value], { readonly exclusive?: boolean }>;
  /** Indices that sort the last axis in descending order. */
  TopK: Unary;
  /**
   * round(x / scale) + zeroPoint of each row, half to even, kept in 0…255: x [n, k] float32, scale [n], zeroPoint [n]
   * uint8 → uint8.
   */
  QuantizeLinear: Signature<[x: Value, scale: Value, zeroPoint: Value], None>;
  /**
   * Σₖ (aₙₖ − aZero)·(bₖₘ − bZero), summed in int32, times scaleₘ: a [n, k] uint8, b [k, m] uint8, scale [m], unit []
   * float32 (1), aZero and bZero [] uint8.
   */
  MatMulIntegerToFloat: Signature<[a: Value, b: Value, unit: Value, scale: Value, aZero: Value, bZero: Value], None>;
  /**
   * x·Wᵀ for a matrix of `bits` bits a number (4): x [n, k] float32, b [m, blocks, blockSize · bits / 8] uint8. Two
   * numbers of 4 bits share a byte, the first in the low half. A number q stands for (q − 2^(bits − 1))·scale, with
   * scale [m · blocks] of its block. The last of the ⌈k / blockSize⌉ blocks is padded. If b is constant, the kernel
   * quantizes x to 8 bits, block by block in each row, unless `roundsInput` is false (true).
   */
  MatMulNBits: Signature<
    [x: Value, b: Value, scale: Value],
    { readonly blockSize: number; readonly bits?: 4 | 8; readonly roundsInput?: boolean }
  >;
}

/** The name of an operator, as ONNX has it. */
export type Op = keyof Ops;

/** A use of an operator: its inputs, attributes and output. */
export interface Node<O extends Op = Op> {
  readonly op: O;
  readonly in: Ops[O]["in"];
  readonly attrs: Ops[O]["attrs"];
  readonly out: Value;
}
