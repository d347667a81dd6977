import { add, cast, concat, type Graph, reduceSum, reshape, scalar } from "../graph/graph";
import { elementCount } from "../graph/shapes";
import type { Value } from "../graph/value";
import { plus } from "./fused-sums";
import { gradientsWhereAny } from "./grad";

/** A part of a network that can be computed a second time: `again(input)` equals `output`. */
export interface Segment {
  readonly input: Value;
  readonly output: Value;
  readonly again: (input: Value) => Value;
  /**
   * A value that is computed before all segments and used inside this one alone. It is differentiated once, and nothing
   * behind it is recomputed.
   */
  readonly given?: Value | undefined;
}

/**
 * `gradients`, but values inside segments are recomputed on the way back instead of kept. Memory then holds
 * the segments' inputs and one segment's insides, for about a third more work.
 *
 * onnxruntime computes a value as soon as anything asks for it, so it could still recompute all segments at once. To
 * prevent that, each segment's input gets an added zero that depends on the cotangent of its output and on the
 * gradients of the segment behind it.
 *
 * @param segments at least one, each one's output the next one's input; `outputs` depend on the last
 * @returns one value for each of `wrt`, of its shape; `undefined` where no path exists
 * Source: Chen et al., arXiv 1604.06174.
 */
export function checkpointedGradients(
  g: Graph,
  segments: readonly Segment[],
  outputs: readonly { readonly output: Value; readonly cotangent: Value }[],
  wrt: readonly Value[],
): (Value | undefined)[] {
  const sums: (Value | undefined)[] = wrt.map(() => undefined);
  let latest: Value[] = [];
  const collect = (parts: readonly (Value | undefined)[], isLast = false) => {
    latest = parts.filter((part) => part !== undefined);
    for (const [i, part] of parts.entries()) {
      if (!part) continue;
      const sum = sums[i];
      // A segment waits for all parts of the segments behind it, so only the last one's parts serve the sum alone.
      sums[i] = sum ? plus(g, { value: sum, isNew: false }, { value: part, isNew: isLast }) : part;
    }
  };

  const [last, ...behind] = gradientsWhereAny(g, outputs, [segments.at(-1)!.output, ...wrt]);
  collect(behind);
  let cotangent = last;
  const first: { output: Value; cotangent: Value }[] = [];
  for (const { input, again, given } of [...segments].reverse()) {
    if (!cotangent) break;
    const late = add(g, input, zeroOf(g, [cotangent, ...latest]));
    const inputs = given ? [late, given] : [late];
    const found = gradientsWhereAny(g, [{ output: again(late), cotangent }], [...inputs, ...wrt]);
    const [next, ofGiven] = found;
    collect(found.slice(inputs.length));
    if (given && ofGiven) first.push({ output: given, cotangent: ofGiven });
    cotangent = next;
  }
  if (cotangent) first.push({ output: segments[0]!.input, cotangent });
  if (first.length > 0) collect(gradientsWhereAny(g, first, wrt), true);
  return sums;
}

/** 0, available only once all of `values` are known: the count of their first elements that exceed infinity. */
function zeroOf(g: Graph, values: readonly Value[]): Value {
  const first = values.map((value) => {
    const flat = reshape(g, value, [elementCount(value.shape, value.name)]);
    return g.op("Slice", [flat], { axis: 0, start: 0, end: 1 });
  });
  const above = g.op("Less", [scalar(g, Number.POSITIVE_INFINITY), concat(g, first, 0)], {});
  return reduceSum(g, cast(g, above, "float32"), [0]);
}
