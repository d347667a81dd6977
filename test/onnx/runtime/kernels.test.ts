import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/onnx/autodiff/grad";
import { type DifferentiableOp, vjpRules } from "../../../src/onnx/autodiff/vjp";
import { createGraph, gather } from "../../../src/onnx/graph/graph";
import { opRules } from "../../../src/onnx/graph/ops";
import type { DType, Op, Value } from "../../../src/onnx/graph/value";
import { createSession, type Tensor } from "../../../src/onnx/runtime/session";
import { relativeError } from "../autodiff/differences";
import { buildCase, buildGradients, type Case, cases, differentiable, titleOf } from "../graph/cases";
import { evaluate } from "../graph/interpreter";
import type { NdArray } from "../graph/ndarray";

const names = Object.keys(opRules) as Op[];

describe("onnxruntime computes in float32 what the interpreter computes in float64", () => {
  it.each(names)("%s", async (op) => {
    const graph = createGraph();
    const built = (cases[op] as readonly Case[]).map((test, i) => ({
      test,
      ...buildCase(graph, op, test, `case${i}_`),
    }));
    await expectAgreement(
      graph,
      built.map(({ test, output }) => ({ title: titleOf(test), value: readable(graph, output) })),
      new Map(built.flatMap(({ feeds }) => [...feeds])),
    );
  });
});

describe("onnxruntime computes the derivative that the interpreter computes", () => {
  it.each(Object.keys(vjpRules) as DifferentiableOp[])("%s", async (op) => {
    const graph = createGraph();
    const feeds = new Map<string, NdArray>();
    const outputs = (differentiable[op] as readonly Case[]).flatMap((test, i) => {
      const built = buildCase(graph, op, test, `case${i}_`);
      const backward = buildGradients(graph, readable(graph, built.output), built.wrt, `case${i}_`);
      for (const [name, array] of [...built.feeds, ...backward.feeds]) feeds.set(name, array);
      return backward.gradients.map((value, j) => ({ title: `${titleOf(test)}, input ${j}`, value }));
    });
    await expectAgreement(graph, outputs, feeds);
  });
});

describe("on several threads", () => {
  it("a gradient keeps all that goes to one row, every time", async () => {
    const [rows, width, count, used] = [50, 128, 4096, 2];
    const graph = createGraph();
    const table = graph.input("table", "float32", [rows, width]);
    const index = graph.input("index", "int64", [count]);
    const cotangent = graph.input("cotangent", "float32", [count, width]);
    const [gradient] = gradients(graph, [{ output: gather(graph, table, index), cotangent }], [table]);
    const session = await createSession(graph, { gradient: gradient! }, { threads: 4 });
    const feeds = {
      index: { data: BigInt64Array.from({ length: count }, (_, i) => BigInt(i % used)), shape: [count] },
      cotangent: { data: new Float32Array(count * width).fill(1), shape: [count, width] },
    };
    const expected = Float32Array.from({ length: rows * width }, (_, i) => (i < used * width ? count / used : 0));
    try {
      for (let i = 0; i < 20; i++) expect((await session.run(feeds)).gradient!.data).toEqual(expected);
    } finally {
      await session.dispose();
    }
  });
});

type BuiltGraph = ReturnType<typeof createGraph>;

/** Half precision has no JavaScript array, and bytes would be taken for truths: they come back widened. */
const readable = (graph: BuiltGraph, value: Value) =>
  ["float32", "int64", "bool"].includes(value.dtype) ? value : graph.op("Cast", [value], { to: "float32" });

async function expectAgreement(
  graph: BuiltGraph,
  outputs: readonly { readonly title: string; readonly value: Value }[],
  feeds: ReadonlyMap<string, NdArray>,
): Promise<void> {
  const named = Object.fromEntries(outputs.map(({ value }, i) => [`y${i}`, value]));
  const session = await createSession(graph, named, { threads: 1 });
  try {
    const inputs = graph.inputs.map(({ name, dtype }): [string, Tensor] => [name, narrow(feeds.get(name)!, dtype)]);
    const found = await session.run(Object.fromEntries(inputs));
    const expected = evaluate(
      graph,
      outputs.map(({ value }) => value),
      feeds,
    );
    outputs.forEach(({ title, value }, i) => {
      const { data, shape } = found[`y${i}`]!;
      expect(shape, `${title}: shape found and declared`).toEqual(value.shape);
      expect(shape, title).toEqual(expected[i]!.shape);
      const error = relativeError(Array.from<number | bigint, number>(data, Number), expected[i]!.data);
      expect(error, title).toBeLessThanOrEqual(value.dtype === "float32" ? 1e-5 : 0);
    });
  } finally {
    await session.dispose();
  }
}

function narrow({ data, shape }: NdArray, dtype: DType): Tensor {
  if (dtype === "int64") return { data: BigInt64Array.from(data, BigInt), shape };
  if (dtype === "bool") return { data: Uint8Array.from(data), shape };
  return { data: Float32Array.from(data), shape };
}
