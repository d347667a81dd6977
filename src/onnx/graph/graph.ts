import { ShapeError } from "../../errors";
import { opRules } from "./ops";
import { elementCount, fits, sameShape, showShape } from "./shapes";
import type { DType, Node, Op, Ops, Shape, Value } from "./value";

/** A tensor that lies in a file beside the model: `bytes` from `offset` on. */
export interface ExternalData {
  /** File name inside the folder that the session is given. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A tensor that is part of a graph. */
export interface Constant {
  readonly value: Value;
  readonly data: Float32Array | BigInt64Array | Uint8Array | ExternalData;
}

/** A Loop node: its body is a graph that may use any value of the graph around it. */
export interface LoopNode {
  readonly op: "Loop";
  readonly in: readonly Value[];
  readonly body: Graph;
  readonly bodyInputs: readonly Value[];
  readonly bodyOutputs: readonly Value[];
  readonly outs: readonly Value[];
}

/** The values that a Loop's body computes from the iteration number and the carried values. */
export interface LoopStep {
  /** bool scalar: whether to continue. */
  readonly condition: Value;
  readonly carried: readonly Value[];
  /** Stacked over the iterations in the Loop's outputs. */
  readonly collected: readonly Value[];
}

/** A graph under construction: plain data, and functions that append to it. */
export interface Graph {
  readonly inputs: Value[];
  /** Every node made here. A node that a Loop's body uses but does not own belongs to an enclosing graph. */
  readonly nodes: Set<Node>;
  readonly constants: Map<string, Constant>;
  readonly loops: Map<Value, LoopNode>;
  /** A value that is fed at run time. */
  input(name: string, dtype: DType, shape: Shape): Value;
  /** float32 numbers; equal constants are stored once. */
  constant(data: readonly number[] | Float32Array, shape?: Shape): Value;
  /** int64 numbers. */
  integers(data: readonly number[], shape?: Shape): Value;
  /** uint8 numbers. */
  bytes(data: readonly number[], shape?: Shape): Value;
  /** A tensor whose numbers lie in a file. */
  external(name: string, dtype: DType, shape: readonly number[], data: ExternalData): Value;
  /** Adds a node. @throws ShapeError for inputs that do not fit */
  op<O extends Op>(op: O, inputs: Ops[O]["in"], attrs: Ops[O]["attrs"]): Value;
  /** Adds a Loop, which carries values from one iteration to the next. */
  loop(
    maxIterations: Value,
    carried: readonly { readonly initial: Value; readonly shape?: Shape }[],
    step: (body: Graph, iteration: Value, carried: readonly Value[]) => LoopStep,
  ): { readonly carried: readonly Value[]; readonly collected: readonly Value[] };
}

/**
 * Makes an empty graph.
 * @param names counter that keeps names unique, shared with the graphs of Loop bodies
 * @example
 * const g = createGraph();
 * const x = g.input("x", "float32", [2]);
 * const y = g.op("Sqrt", [x], {});
 */
export function createGraph(names: { next: number } = { next: 0 }): Graph {
  const graph: Graph = {
    inputs: [],
    nodes: new Set(),
    constants: new Map(),
    loops: new Map(),

    input(name, dtype, shape) {
      const value = { name, dtype, shape };
      graph.inputs.push(value);
      return value;
    },

    constant: (data, shape = [data.length]) => addConstant(graph, names, "float32", Float32Array.from(data), shape),
    integers: (data, shape = [data.length]) =>
      addConstant(graph, names, "int64", BigInt64Array.from(data, BigInt), shape),
    bytes: (data, shape = [data.length]) => addConstant(graph, names, "uint8", Uint8Array.from(data), shape),

    external(name, dtype, shape, data) {
      const known = graph.constants.get(name);
      if (known) return known.value;
      const value = { name, dtype, shape };
      graph.constants.set(name, { value, data });
      return value;
    },

    op(op, inputs, attrs) {
      const rule = opRules[op];
      const node = { op, in: inputs, attrs } as { -readonly [K in keyof Node<typeof op>]: Node<typeof op>[K] };
      // The rule checks the inputs, so it comes first.
      const shape = rule.shape(inputs, attrs);
      node.out = {
        name: freshName(names, op),
        dtype: rule.dtype?.(inputs, attrs) ?? inputs[0]!.dtype,
        shape,
        node: node as unknown as Node,
      };
      graph.nodes.add(node as unknown as Node);
      return node.out;
    },

    loop: (...args) => appendLoop(graph, names, args),
  };
  return graph;
}

const freshName = (names: { next: number }, hint: string) => `${hint}_${names.next++}`;

/** Adds a constant, or returns the equal one that `graph` has. */
function addConstant(
  graph: Graph,
  names: { next: number },
  dtype: DType,
  data: Float32Array | BigInt64Array | Uint8Array,
  shape: Shape,
): Value {
  if (elementCount(shape, "constant") !== data.length)
    throw new ShapeError(`constant: ${data.length} numbers do not fill ${showShape(shape)}`);
  // Only small constants repeat by accident.
  const key = data.length <= 16 ? `${dtype}${showShape(shape)}:${data.join()}` : freshName(names, "constant");
  const known = graph.constants.get(key);
  if (known) return known.value;
  const value = { name: freshName(names, "constant"), dtype, shape };
  graph.constants.set(key, { value, data });
  return value;
}

/** Appends a Loop to `graph`. Its body is a graph that shares the counter of names. */
function appendLoop(
  graph: Graph,
  names: { next: number },
  [maxIterations, carried, step]: Parameters<Graph["loop"]>,
): ReturnType<Graph["loop"]> {
  const fresh = (hint: string) => freshName(names, hint);
  const body = createGraph(names);
  const iteration = body.input(fresh("iteration"), "int64", []);
  const going = body.input(fresh("going"), "bool", []);
  const state = carried.map(({ initial, shape }) =>
    body.input(fresh("carried"), initial.dtype, shape ?? initial.shape),
  );
  const result = step(body, iteration, state);
  if (result.carried.length !== carried.length)
    throw new ShapeError(`Loop: expected ${carried.length} carried values from its body, got ${result.carried.length}`);
  state.forEach((declared, i) => {
    mustFit(carried[i]!.initial, declared, `Loop: initial value ${i}`);
    mustFit(result.carried[i]!, declared, `Loop: carried value ${i} after a step`);
  });
  mustFit(result.condition, { dtype: "bool", shape: [] }, "Loop: condition");
  const trips = fresh("trips");
  const outs = [
    ...state.map(({ dtype, shape }) => ({ name: fresh("Loop"), dtype, shape })),
    ...result.collected.map(({ dtype, shape }) => ({ name: fresh("Loop"), dtype, shape: [trips, ...shape] })),
  ];
  const node: LoopNode = {
    op: "Loop",
    in: [maxIterations, ...carried.map(({ initial }) => initial)],
    body,
    bodyInputs: [iteration, going, ...state],
    bodyOutputs: [result.condition, ...result.carried, ...result.collected],
    outs,
  };
  for (const out of outs) graph.loops.set(out, node);
  return { carried: outs.slice(0, carried.length), collected: outs.slice(carried.length) };
}

type Declared = Pick<Value, "dtype" | "shape">;

function mustFit(given: Declared, declared: Declared, where: string): void {
  if (given.dtype !== declared.dtype || !fits(given.shape, declared.shape))
    throw new ShapeError(
      `${where}: expected ${declared.dtype} ${showShape(declared.shape)}, got ${given.dtype} ${showShape(given.shape)}`,
    );
}

// ————— one function for each thing that graphs say often —————

export const add = (g: Graph, a: Value, b: Value) => g.op("Add", [a, b], {});
export const sub = (g: Graph, a: Value, b: Value) => g.op("Sub", [a, b], {});
export const mul = (g: Graph, a: Value, b: Value) => g.op("Mul", [a, b], {});
export const neg = (g: Graph, x: Value) => g.op("Neg", [x], {});
export const matMul = (g: Graph, a: Value, b: Value) => g.op("MatMul", [a, b], {});
/** x·Wᵀ (+ c), with a matrix W [outputs, inputs]. */
export const gemm = (g: Graph, x: Value, w: Value, c?: Value) => g.op("Gemm", c ? [x, w, c] : [x, w], { transB: true });
export const scalar = (g: Graph, x: number) => g.constant([x], []);
export const transpose = (g: Graph, x: Value, perm: readonly number[]) => g.op("Transpose", [x], { perm });
export const concat = (g: Graph, inputs: Value[], axis: number) => g.op("Concat", inputs, { axis });
export const gather = (g: Graph, data: Value, index: Value) => g.op("Gather", [data, index], {});
export const cast = (g: Graph, x: Value, to: DType) => (x.dtype === to ? x : g.op("Cast", [x], { to }));

/** The same numbers in another shape. A reshape of a reshape becomes one. */
export function reshape(g: Graph, x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const from = x.node?.op === "Reshape" ? x.node.in[0]! : x;
  return sameShape(from.shape, shape) ? from : g.op("Reshape", [from], { shape });
}

/** Sum over `axes`, counted from the front. */
export const reduceSum = (g: Graph, x: Value, axes: readonly number[], keepDims = false) =>
  g.op("ReduceSum", [x], { axes, keepDims });

/** Sum over the last axis, which stays as size 1. */
export const sumLast = (g: Graph, x: Value) => reduceSum(g, x, [x.shape.length - 1], true);

/** The last two axes exchanged. */
export function swapLast(g: Graph, x: Value): Value {
  const perm = x.shape.map((_, i) => i);
  const [i, j] = [perm.length - 2, perm.length - 1];
  return transpose(g, x, [...perm.slice(0, i), j, i]);
}

export const zeros = (g: Graph, shape: readonly number[]) => g.op("Expand", [scalar(g, 0)], { shape });
