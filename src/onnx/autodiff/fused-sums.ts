import { add, concat, type Graph, scalar, sumLast } from "../graph/graph";
import type { Node, Op, Value } from "../graph/value";

export interface Term {
  readonly value: Value;
  /** Whether nothing but the sum needs it. */
  readonly isNew: boolean;
}

/**
 * a + b. What makes a new term takes the other one in, if it can, which is one pass less over memory: a product adds
 * it, numbers that are scattered into zeros are scattered into it, and parts that were padded to lie side by side are
 * put there at once.
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

/** Of two parts with zeros around them along one axis: one part, if one ends where the other begins. */
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

/**
 * Σ over the last axis, which stays as size 1. Of numbers that were scattered along it into zeros, they alone are
 * summed up.
 */
export function sumOfRows(g: Graph, x: Value): Value {
  const scattered = intoZeros(g, x);
  return sumLast(g, scattered?.attrs.axis === -1 ? scattered.in[2] : x);
}

const madeBy = <O extends Op>(op: O, { node }: Value) => (node?.op === op ? (node as unknown as Node<O>) : undefined);

/** What scatters into zeros to make x, if that is how x is made. */
function intoZeros(g: Graph, x: Value): Node<"ScatterElements"> | undefined {
  const scattered = madeBy("ScatterElements", x);
  const begun = scattered && madeBy("Expand", scattered.in[0]);
  return begun?.in[0] === scalar(g, 0) ? scattered : undefined;
}
