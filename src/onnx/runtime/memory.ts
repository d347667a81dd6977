import type { Graph, LoopNode } from "../graph/graph";
import { opRules } from "../graph/ops";
import { showShape } from "../graph/shapes";
import type { DType, Node, Op, Value } from "../graph/value";
import { captures, reachable } from "./serialise";

/** Memory of a compiled graph, in bytes. */
export interface SessionMemory {
  /** Held as long as the session: constants as onnxruntime rearranges and converts them. */
  readonly constants: ReadonlyMap<Value, number>;
  /** Weight files read in place: mapped, shared, and given back when memory is short. */
  readonly files: number;
  /** Most bytes alive at once during a run; includes outputs, excludes feeds. */
  readonly peak: number;
  readonly atPeak: ReadonlyMap<Value, number>;
}

/**
 * Estimates the memory of `createSession` and of a run of the same outputs, without either. It follows onnxruntime's
 * order of execution, and its rules for reusing the memory of values, over the graph as written; fusions are ignored.
 *
 * @param weightsStayInFiles as the session will have it: constants are neither folded nor rearranged
 * @param runtimeSize stands for every size that is not known before a run
 * Source: onnxruntime 1.30, `Graph::ReverseDFSFrom` (order) and `PlannerImpl::ComputeReusePlan` (memory).
 */
export function sessionMemory(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
  weightsStayInFiles: boolean,
  runtimeSize = 1,
): SessionMemory {
  const results = Object.values(outputs);
  const constants = constantsOf(graph, results, !weightsStayInFiles);
  const size = (value: Value) => bytesOf(value, runtimeSize);
  return {
    ...heldBy(constants, !weightsStayInFiles, size),
    ...peakOf(graph, results, constants, size, weightsStayInFiles),
  };
}

const bytesPer: Readonly<Record<DType, number>> = {
  float32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
  float16: 2,
  bfloat16: 2,
};

const bytesOf = ({ dtype, shape }: Value, runtimeSize: number): number =>
  shape.reduce<number>((product, dim) => product * (typeof dim === "number" ? dim : runtimeSize), bytesPer[dtype]);

// ————— constants —————

interface Constants {
  /** Values that are the same in every run, in this graph and its subgraphs. */
  readonly values: ReadonlySet<Value>;
  /** The values that come from files. */
  readonly inFiles: ReadonlySet<Value>;
  /** The nodes that use each of them in a run. */
  readonly users: ReadonlyMap<Value, readonly Node[]>;
}

/** Finds the constants. `fold` counts a value computed from constants alone as a constant. */
function constantsOf(graph: Graph, results: readonly Value[], fold: boolean): Constants {
  const values = new Set<Value>();
  const inFiles = new Set<Value>();
  const users = new Map<Value, Node[]>();
  const visit = (g: Graph, wanted: readonly Value[]) => {
    for (const { value, data } of g.constants.values()) {
      values.add(value);
      if ("file" in data) inFiles.add(value);
    }
    for (const node of reachable(g, wanted).nodes)
      if (isLoop(node)) visit(node.body, node.bodyOutputs);
      else if (fold && node.in.every((input) => values.has(input))) values.add(node.out);
      else for (const input of node.in) if (values.has(input)) users.set(input, [...(users.get(input) ?? []), node]);
  };
  visit(graph, results);
  return { values, inFiles, users };
}

const isLoop = (node: Node | LoopNode): node is LoopNode => node.op === "Loop";

const matrixProducts: ReadonlySet<Op> = new Set(["Gemm", "MatMul", "MatMulIntegerToFloat", "MatMulNBits"]);

/** A product keeps a rearranged copy of a constant second factor; the original is freed if nobody else reads it. */
function heldBy({ inFiles, users }: Constants, rearranges: boolean, size: (value: Value) => number) {
  const constants = new Map<Value, number>();
  let files = 0;
  for (const [value, nodes] of users) {
    const isRearranged = ({ op, in: [, b] }: Node) => rearranges && matrixProducts.has(op) && b === value;
    const copies = nodes.filter(isRearranged).length;
    const isRead = copies < nodes.length;
    if (isRead && inFiles.has(value)) files += size(value);
    const held = copies + Number(isRead && !inFiles.has(value));
    if (held > 0) constants.set(value, held * size(value));
  }
  return { constants, files };
}

// ————— a run —————

/** One node as the planner sees it. */
interface Step {
  readonly in: readonly Value[];
  readonly out: readonly Value[];
  readonly op: Op | "Loop" | "Identity";
  /** Bytes used inside it while it runs, beyond inputs and outputs: a Loop's body. */
  readonly inside: number;
  readonly atPeakInside: ReadonlyMap<Value, number>;
}

/** Memory that values reuse one after the other, from the step that makes the first to the last use of the last. */
interface Buffer {
  readonly owner: Value;
  readonly bytes: number;
  readonly from: number;
  to: number;
  /** Uses still to come. */
  uses: number;
}

function peakOf(
  graph: Graph,
  results: readonly Value[],
  { values: constants }: Constants,
  size: (value: Value) => number,
  unoptimised: boolean,
): Pick<SessionMemory, "peak" | "atPeak"> {
  const steps = inOrder(stepsOf(graph, results, constants, size, unoptimised));
  const copied = steps.flatMap(({ op, out }) => (op === "Identity" ? out : []));
  const buffers = plan(steps, new Set(unoptimised ? copied : results), size);
  // Changes of the total at each step.
  const change = new Float64Array(steps.length + 1);
  for (const { from, to, bytes } of buffers) {
    change[from]! += bytes;
    change[to + 1]! -= bytes;
  }
  let [alive, peak, when] = [0, 0, 0];
  steps.forEach(({ inside }, i) => {
    alive += change[i]!;
    if (alive + inside > peak) [peak, when] = [alive + inside, i];
  });
  const there = buffers.filter(({ from, to }) => from <= when && when <= to);
  const atPeak = new Map([
    ...there.map(({ owner, bytes }) => [owner, bytes] as const),
    ...(steps[when]?.atPeakInside ?? []),
  ]);
  return { peak, atPeak };
}

function stepsOf(
  graph: Graph,
  results: readonly Value[],
  constants: ReadonlySet<Value>,
  size: (value: Value) => number,
  unoptimised: boolean,
): Step[] {
  const outside = new Set([...constants, ...graph.inputs]);
  const own = (values: readonly Value[]) => values.filter((value) => !outside.has(value));
  const steps = reachable(graph, results).nodes.flatMap((node): Step[] => {
    if (!isLoop(node))
      return constants.has(node.out)
        ? []
        : [{ in: own(node.in), out: [node.out], op: node.op, inside: 0, atPeakInside: new Map() }];
    const { peak, atPeak } = peakOf(node.body, node.bodyOutputs, { values: constants } as Constants, size, false);
    // An iteration's carried inputs are alive together with its carried outputs.
    const carried = node.bodyInputs.map((value) => [value, size(value)] as const);
    return [
      {
        in: own([...node.in, ...captures(node)]),
        out: node.outs,
        op: node.op,
        inside: peak + carried.reduce((sum, [, bytes]) => sum + bytes, 0),
        atPeakInside: new Map([...atPeak, ...carried]),
      },
    ];
  });
  if (!unoptimised) return steps;
  return [
    ...steps,
    ...results.map(
      (value): Step => ({
        in: own([value]),
        out: [{ ...value, name: `${value.name} (output)` }],
        op: "Identity",
        inside: 0,
        atPeakInside: new Map(),
      }),
    ),
  ];
}

/** Depth-first from the last unused output, visiting later inputs first, as onnxruntime does. */
function inOrder(steps: readonly Step[]): Step[] {
  const maker = new Map(steps.flatMap((step, i) => step.out.map((value) => [value, i] as const)));
  const needed = steps.map((step) =>
    [...new Set(step.in.flatMap((value) => maker.get(value) ?? []))].sort((a, b) => a - b),
  );
  const awaited = new Set(needed.flat());
  const order: Step[] = [];
  const seen = new Set<number>();
  const stack = steps.flatMap((_, i) => (awaited.has(i) ? [] : [{ i, done: false }]));
  while (stack.length > 0) {
    const { i, done } = stack.pop()!;
    if (done) order.push(steps[i]!);
    else if (!seen.has(i)) {
      seen.add(i);
      stack.push({ i, done: true });
      for (const before of needed[i]!) if (!seen.has(before)) stack.push({ i: before, done: false });
    }
  }
  return order;
}

/** Whether an operator overwrites an input of the same size that nobody else reads. */
const runsInPlace = (op: Step["op"]) => op !== "Loop" && op !== "Identity" && opRules[op].inPlace === true;

function plan(steps: readonly Step[], results: ReadonlySet<Value>, size: (value: Value) => number): Buffer[] {
  const uses = new Map<Value, number>();
  for (const step of steps) for (const value of step.in) uses.set(value, (uses.get(value) ?? 0) + 1);
  const kind = ({ dtype, shape }: Value) => `${dtype}${showShape(shape)}`;
  const of = new Map<Value, Buffer>();
  const free = new Map<string, Buffer[]>();
  const all: Buffer[] = [];

  steps.forEach((step, now) => {
    for (const value of step.out) {
      const mayTake = () =>
        step.in
          .map((input) => of.get(input))
          .find((buffer, i) => buffer?.uses === 1 && kind(step.in[i]!) === kind(value));
      const buffer =
        (step.op === "Reshape" && of.get(step.in[0]!)) ||
        (!results.has(value) && ((runsInPlace(step.op) && mayTake()) || free.get(kind(value))?.pop())) ||
        undefined;
      const mine = buffer ?? { owner: value, bytes: size(value), from: now, to: now, uses: 0 };
      if (!buffer) all.push(mine);
      // An output stays alive to the end.
      mine.uses += (uses.get(value) ?? 0) + (results.has(value) ? 1 : 0);
      of.set(value, mine);
    }
    for (const value of [...step.in, ...step.out.filter((value) => !uses.has(value) && !results.has(value))]) {
      const buffer = of.get(value);
      if (!buffer) continue;
      buffer.to = now;
      if (step.in.includes(value)) buffer.uses--;
      if (buffer.uses === 0) {
        const same = free.get(kind(buffer.owner)) ?? [];
        same.push(buffer);
        free.set(kind(buffer.owner), same);
      }
    }
  });
  for (const buffer of all) if (buffer.uses > 0) buffer.to = steps.length - 1;
  return all;
}
