import type { Graph, LoopNode } from "../graph/graph";
import { showShape } from "../graph/shapes";
import type { DType, Node, Op, Value } from "../graph/value";
import { captures, reachable } from "./serialise";

/** What a compiled graph takes, in bytes. */
export interface SessionMemory {
  /** Held as long as the session: constants as onnxruntime rearranges and converts them. */
  readonly constants: ReadonlyMap<Value, number>;
  /** Of the files that it reads straight: mapped, shared, given back when memory is short. */
  readonly files: number;
  /** Alive at once while it runs, at most; outputs are among them, what is fed is not. */
  readonly peak: number;
  /** What is alive then. */
  readonly atPeak: ReadonlyMap<Value, number>;
}

/**
 * What `createSession` and a run of the same outputs will take, foreseen without either: onnxruntime's order of
 * execution and its rules for which value may take over the memory of another are followed over the graph as it is
 * written. What it fuses is counted as if it did not.
 *
 * @param weightsStayInFiles as the session will have it: nothing is folded or rearranged
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
  ...{ float32: 4, int64: 8, int8: 1, uint8: 1, bool: 1, float16: 2, bfloat16: 2 },
};

const bytesOf = ({ dtype, shape }: Value, runtimeSize: number): number =>
  shape.reduce<number>((product, dim) => product * (typeof dim === "number" ? dim : runtimeSize), bytesPer[dtype]);

// ————— constants —————

interface Constants {
  /** Values that are the same in every run, in this graph and those inside it. */
  readonly values: ReadonlySet<Value>;
  /** Those that come from files. */
  readonly inFiles: ReadonlySet<Value>;
  /** Who uses each of them in a run. */
  readonly users: ReadonlyMap<Value, readonly Node[]>;
}

/** With `fold`, what is computed from constants alone is one. */
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

/** Matrix products rearrange a constant second factor, each its own copy; what nobody else reads is then given back. */
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
  /** Beyond inputs and outputs, while it runs: a Loop's body. */
  readonly inside: number;
  readonly atPeakInside: ReadonlyMap<Value, number>;
}

/** Memory that values share one after the other, from the step that makes the first to the one that uses the last. */
interface Buffer {
  readonly owner: Value;
  readonly bytes: number;
  readonly from: number;
  to: number;
  /** Uses that are still to come. */
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
  // Everything that starts or ends, as changes of the sum at each step.
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
    // What was carried into an iteration lives beside what it carries out.
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
        ...{ in: own([value]), out: [{ ...value, name: `${value.name} (output)` }], op: "Identity" },
        ...{ inside: 0, atPeakInside: new Map() },
      }),
    ),
  ];
}

/** From the last of the steps that nobody waits for, each after what it needs, of that the latest first. */
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

/** Writes where an input of the same size stands, if nobody else will read it. */
const inPlace: ReadonlySet<string> = new Set([
  ...["Add", "Sub", "Mul", "Div", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sigmoid", "Erf", "Cast", "Where", "Not"],
]);

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
        (!results.has(value) && ((inPlace.has(step.op) && mayTake()) || free.get(kind(value))?.pop())) ||
        undefined;
      const mine = buffer ?? { owner: value, bytes: size(value), from: now, to: now, uses: 0 };
      if (!buffer) all.push(mine);
      // An output stays to the end.
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
