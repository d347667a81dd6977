import { ShapeError, UnsupportedOpError } from "../../errors";
import { type Graph, zeros } from "../graph/graph";
import { sameShape, showShape, staticDim } from "../graph/shapes";
import type { Node, Value } from "../graph/value";
import { plus, type Term } from "./fused-sums";
import { type DifferentiableOp, undoBroadcast, type VjpRule, vjpRules } from "./vjp";

/**
 * Reverse-mode differentiation: appends to `g` the nodes that compute ∂(Σ ⟨output, cotangent⟩)/∂w for every `w` of
 * `wrt`.
 *
 * Only nodes on a path from some `w` to an output are visited, so gradients of constants cost nothing. Gradients stop
 * at each `w`, even if it is an intermediate value.
 * @returns one value for each of `wrt`, of its shape; zeros without a path
 * @throws ShapeError when a cotangent lacks its output's shape; UnsupportedOpError when a path runs through an op
 * that has no derivative
 * @example
 * const [dx] = gradients(g, [{ output: y, cotangent: dy }], [x]);
 */
export function gradients(
  g: Graph,
  outputs: readonly { readonly output: Value; readonly cotangent: Value }[],
  wrt: readonly Value[],
): Value[] {
  return orZeros(g, gradientsWhereAny(g, outputs, wrt), wrt);
}

/** Replaces gradients without a path by zeros. */
export const orZeros = (g: Graph, gradients: readonly (Value | undefined)[], wrt: readonly Value[]): Value[] =>
  gradients.map((gradient, i) => {
    const { name, shape } = wrt[i]!;
    return (
      gradient ??
      zeros(
        g,
        shape.map((dim) => staticDim(dim, `gradient of ${name}`)),
      )
    );
  });

/** `gradients`, with `undefined` for values without a path to an output. */
export function gradientsWhereAny(
  g: Graph,
  outputs: readonly { readonly output: Value; readonly cotangent: Value }[],
  wrt: readonly Value[],
): (Value | undefined)[] {
  const needed = dependents(
    g,
    outputs.map(({ output }) => output),
    wrt,
  );
  const pending = new Map<Value, Term>();
  const accumulate = (value: Value, gradient: Value, isNew: boolean) => {
    const own = { value: undoBroadcast(g, gradient, value.shape), isNew };
    const sum = pending.get(value);
    pending.set(value, sum ? { value: plus(g, sum, own), isNew: true } : own);
  };

  for (const { output, cotangent } of outputs) {
    if (!sameShape(output.shape, cotangent.shape))
      throw new ShapeError(
        `cotangent of ${output.name}: expected ${showShape(output.shape)}, got ${showShape(cotangent.shape)}`,
      );
    accumulate(output, cotangent, false);
  }

  for (const node of [...needed.nodes].reverse()) {
    const dy = pending.get(node.out)?.value;
    if (!dy) continue;
    pending.delete(node.out);
    const rule = (vjpRules as Partial<typeof vjpRules>)[node.op as DifferentiableOp] as
      | VjpRule<typeof node.op>
      | undefined;
    if (!rule)
      throw new UnsupportedOpError(`${node.op} has no derivative, but a gradient was asked through ${node.out.name}`);
    const parts = rule(g, node, dy) as readonly (Value | null)[];
    node.in.forEach((input, i) => {
      const part = parts[i];
      if (part && needed.values.has(input)) accumulate(input, part, part !== dy);
    });
  }

  return wrt.map((w) => pending.get(w)?.value);
}

/** Everything between `wrt` and `outputs`: the nodes in an executable order, and the values that carry gradient. */
function dependents(
  g: Graph,
  outputs: readonly Value[],
  wrt: readonly Value[],
): { nodes: Set<Node>; values: Set<Value> } {
  const leaves: ReadonlySet<Value> = new Set(wrt);
  const values = new Set(wrt);
  const nodes = new Set<Node>();
  const seen = new Set<Node>();
  const stack: { readonly node: Node; readonly done: boolean }[] = [];
  const push = (value: Value) => {
    if (g.loops.has(value) && !leaves.has(value))
      throw new UnsupportedOpError(`Loop has no derivative, but a gradient was asked through ${value.name}`);
    if (value.node && !seen.has(value.node) && !leaves.has(value)) stack.push({ node: value.node, done: false });
  };
  outputs.forEach(push);
  while (stack.length > 0) {
    const { node, done } = stack.pop()!;
    if (done) {
      if (node.in.some((input) => values.has(input))) {
        nodes.add(node);
        values.add(node.out);
      }
      continue;
    }
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, done: true });
    for (const input of node.in) push(input);
  }
  return { nodes, values };
}
