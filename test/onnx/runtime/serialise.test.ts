import { describe, expect, it } from "vitest";
import { add, createGraph, reshape } from "../../../src/onnx/graph/graph";
import { appendedTensor, serialiseModel } from "../../../src/onnx/runtime/serialise";
import { createSession } from "../../../src/onnx/runtime/session";
import { compile } from "../../../src/onnx/runtime/worker";
import { messages, readModel, strings } from "./proto-reader";

describe("a model's file", () => {
  it("names run-time sizes on request only", () => {
    const g = createGraph();
    const x = g.input("x", "float32", ["time", 2]);
    const y = add(g, x, x);
    const sizes = (namedSizes: boolean) => {
      const graph = messages(serialiseModel(g, { y }, { namedSizes }), 7)[0]!;
      // value_info → type → tensor → shape → dims: fields 2, 1, 2, 1 of onnx.proto3, and 2 is a name.
      const [type] = messages(messages(graph, 11)[0]!, 2);
      const [shape] = messages(messages(type!, 1)[0]!, 2);
      return messages(shape!, 1).flatMap((dim) => strings(dim, 2));
    };
    expect(sizes(true)).toEqual(["time"]);
    expect(sizes(false)).toEqual([]);
  });

  it("computes with tensors that are appended to it", async () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const weight = g.external("weight", "float32", [2], { file: "elsewhere", offset: 0, bytes: 8 });
    const y = add(g, x, weight);
    const model = serialiseModel(g, { y }, { withoutExternal: true });
    expect(readModel(model).initialisers).toEqual([]);
    const data = new Uint8Array(Float32Array.of(3, 4).buffer);
    const whole = Buffer.concat([model, appendedTensor(weight, data.length), data]);
    const compiled = await compile(new Uint8Array(whole), { logSeverityLevel: 3 });
    const feeds = { x: { dtype: "float32", data: Float32Array.of(1, 2), shape: [2] } } as const;
    const { y: sum } = (await compiled.run(feeds, [])) as { y: { data: Float32Array } };
    await compiled.release();
    expect([...sum.data]).toEqual([4, 6]);
  });

  it("leaves one size of a reshape to the run", async () => {
    const g = createGraph();
    const y = reshape(g, g.input("x", "float32", ["time", 6]), ["time", 2, 3]);
    const session = await createSession(g, { y });
    const { y: found } = await session.run({ x: { data: new Float32Array(24), shape: [4, 6] } });
    await session.dispose();
    expect(found!.shape).toEqual([4, 2, 3]);
  });
});
