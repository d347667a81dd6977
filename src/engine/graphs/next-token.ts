import { add, cast, type Graph, mul, reduceSum, reshape, scalar, sub } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";

/** How the next token is chosen: the most likely, from the whole distribution, or from the likeliest tokens. */
export type Sampling = "greedy" | "full" | "likeliest";

/**
 * Repetition penalty: for tokens that a row has seen, logits l > 0 become l / penalty and l < 0 become l · penalty.
 * Source: Keskar et al., arXiv 1909.05858; logits below 0 as in transformers.
 */
export function penalise(g: Graph, logits: Value, seen: Value, penalty: Value): Value {
  const less = g.op(
    "Where",
    [g.op("Less", [logits, scalar(g, 0)], {}), mul(g, logits, penalty), g.op("Div", [logits, penalty], {})],
    {},
  );
  return g.op("Where", [seen, less, logits], {});
}

/** bool [rows, width], true at each row's index. */
export function oneHot(g: Graph, index: Value, width: number): Value {
  const places = g.integers(Array.from({ length: width }, (_, i) => i));
  return g.op("Equal", [reshape(g, index, [index.shape[0] as number, 1]), places], {});
}

interface Choice {
  /** [rows, vocabulary] */
  readonly logits: Value;
  readonly temperature: Value;
  readonly topK: Value;
  readonly topP: Value;
  /** [rows, 1], one number in [0, 1) for each row, for inverse-CDF sampling. */
  readonly uniform: Value;
}

/** The next token of each row, [rows], and its log-probability under the distribution that it was drawn from. */
export function choose(
  g: Graph,
  sampling: Sampling,
  { logits, temperature, topK, topP, uniform }: Choice,
): { token: Value; logProb: Value } {
  if (sampling === "greedy") {
    const token = g.op("ArgMax", [logits], {});
    return { token, logProb: logProbOf(g, logits, token) };
  }
  const scaled = g.op("Div", [logits, temperature], {});
  const p = g.op("Softmax", [scaled], {});
  if (sampling === "full") {
    const token = firstAbove(g, cumulate(g, p), uniform);
    return { token, logProb: g.op("Log", [pickLast(g, p, token)], {}) };
  }
  // Tokens in falling order of probability: the first topK, while the sum before each is less than topP of theirs.
  const order = g.op("TopK", [p], {});
  const sorted = g.op("GatherElements", [p, order], {});
  const where = (values: Value, condition: Value) => mul(g, values, cast(g, condition, "float32"));
  const width = p.shape[1] as number;
  const ranks = g.constant(
    Float32Array.from({ length: width }, (_, rank) => rank),
    [width],
  );
  const first = where(sorted, g.op("Less", [ranks, topK], {}));
  const before = sub(g, cumulate(g, first), first);
  const nucleus = mul(g, topP, g.op("ReduceSum", [first], { axes: [1], keepDims: true }));
  const kept = where(first, g.op("Less", [before, nucleus], {}));
  const place = firstAbove(g, cumulate(g, kept), uniform);
  const at = (values: Value) => pickLast(g, values, place);
  const logMass = g.op("Log", [reduceSum(g, kept, [1])], {});
  return { token: at(order), logProb: sub(g, g.op("Log", [at(sorted)], {}), logMass) };
}

/** Rows longer than this are summed in pieces. */
const longRow = 2 ** 13;

/**
 * Running sums of each row of nonnegative numbers, [rows, n]. They never fall, and stay constant at zeros. Long rows
 * are cut into pieces: a GPU computes each sum separately from the beginning, which for a vocabulary of 150 000 tokens
 * takes longer than the network.
 */
export function cumulate(g: Graph, x: Value): Value {
  const [rows, width] = x.shape as readonly number[] as [number, number];
  if (width <= longRow) return g.op("CumSum", [x], {});
  const piece = pieceOf(width);
  const count = Math.ceil(width / piece);
  const padded = width % piece === 0 ? x : g.op("Pad", [x], { axis: 1, before: 0, after: count * piece - width });
  const inside = g.op("CumSum", [reshape(g, padded, [rows, count, piece])], {});
  const sums = reshape(g, g.op("Slice", [inside], { axis: 2, start: piece - 1, end: piece }), [rows, count]);
  const before = reshape(g, g.op("CumSum", [sums], { exclusive: true }), [rows, count, 1]);
  const all = reshape(g, add(g, inside, before), [rows, count * piece]);
  return width % piece === 0 ? all : g.op("Slice", [all], { axis: 1, start: 0, end: width });
}

/** A divisor near √width, so that no padding is needed, or √width. */
function pieceOf(width: number): number {
  const root = Math.ceil(Math.sqrt(width));
  for (let piece = root; piece >= root / 4; piece--) if (width % piece === 0) return piece;
  return root;
}

/** The first index of each row whose cumulative mass exceeds `uniform` times the row's total; it always has mass. */
function firstAbove(g: Graph, cumulative: Value, uniform: Value): Value {
  const width = cumulative.shape[1] as number;
  const total = g.op("Slice", [cumulative], { axis: 1, start: width - 1, end: width });
  const below = g.op("LessOrEqual", [cumulative, mul(g, uniform, total)], {});
  return reduceSum(g, cast(g, below, "int64"), [1]);
}

export const logProbOf = (g: Graph, logits: Value, token: Value) =>
  pickLast(g, g.op("LogSoftmax", [logits], {}), token);

/** values [rows, n] at index [rows] → [rows]. */
function pickLast(g: Graph, values: Value, index: Value): Value {
  const rows = values.shape[0] as number;
  return reshape(g, g.op("GatherElements", [values, reshape(g, index, [rows, 1])], {}), [rows]);
}
