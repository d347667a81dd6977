import { add, concat, type Graph, scalar, sumLast } from "../graph/graph";
import type { Node, Op, Value } from "../graph/value";

export interface Term {
  readonly value: Value;
  /** Whether only the sum needs it. */
  readonly isNew: boolean;
}

/**
 * a + b, fused where possible to save a pass over memory. A new term's operator takes in the other term: a product adds
 * it, a scatter into zeros scatters into it, and two parts padded to lie side by side are concatenated.
 */
export function plus(g: Graph, a: Term, b: Term): Value {
  return into(g, b, a.value) ?? into(g, a, b.value) ?? sideBySide(g, a.value, b.value) ?? add(g, a.value, b.value);
}

function into(g: Graph, { value, isNew }: Term, other: Value): Value | undefined {
  if (!isNew) return undefined;
  const product = madeBy("Gemm", value);
  if (product?.in.length === 2) return g.op("Gemm", [...product.in, other], product.attrs);
  const scattered = intoZeros(g, value);
  return scattered && g.op("ScatterElements", [other, scattered.in[1], scattered.in[2]], scattered.attrs);
}

/** Merges two zero-padded slices into one when they are adjacent along the same axis. */
function sideBySide(g: Graph, a: Value, b: Value): Value | undefined {
  const [first, second] = [madeBy("Pad", a), madeBy("Pad", b)];
  if (!first || !second || first.attrs.axis !== second.attrs.axis) return undefined;
  const { axis } = first.attrs;
  const [left, right] = first.attrs.before < second.attrs.before ? [first, second] : [second, first];
  const size = a.shape[axis] as number;
  if (size - left.attrs.after !== right.attrs.before) return undefined;
  const parts = [left, right].flatMap(({ in: [part] }) => {
    const several = madeBy("Concat", part);
    return several?.attrs.axis === axis ? several.in : [part];
  });
  const joined = concat(g, parts, axis);
  const around = { before: left.attrs.before, after: right.attrs.after };
  return joined.shape[axis] === size ? joined : g.op("Pad", [joined], { axis, ...around });
}

/** Σ over the last axis, which stays as size 1. If x was scattered into zeros along it, only the updates are summed. */
export function sumOfRows(g: Graph, x: Value): Value {
  const scattered = intoZeros(g, x);
  return sumLast(g, scattered?.attrs.axis === -1 ? scattered.in[2] : x);
}

const madeBy = <O extends Op>(op: O, { node }: Value) => (node?.op === op ? (node as unknown as Node<O>) : undefined);

/** The node that makes x by scattering into zeros, if x is made that way. */
function intoZeros(g: Graph, x: Value): Node<"ScatterElements"> | undefined {
  const scattered = madeBy("ScatterElements", x);
  const begun = scattered && madeBy("Expand", scattered.in[0]);
  return begun?.in[0] === scalar(g, 0) ? scattered : undefined;
}
