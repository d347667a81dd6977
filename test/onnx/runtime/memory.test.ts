import { describe, expect, it } from "vitest";
import { add, cast, createGraph, type Graph, matMul, mul, reshape, scalar } from "../../../src/onnx/graph/graph";
import type { Value } from "../../../src/onnx/graph/value";
import { sessionMemory } from "../../../src/onnx/runtime/memory";

const kilobyte = [16, 16];
const peak = (g: Graph, outputs: Record<string, Value>, weightsStayInFiles = true) =>
  sessionMemory(g, outputs, weightsStayInFiles).peak;

/** An operator whose result never stands where its input stood. */
const fresh = (g: Graph, x: Value) => g.op("Softmax", [x], {});

describe("sessionMemory", () => {
  it("counts what is alive at once, not what is computed: a chain needs two of its links", () => {
    const g = createGraph();
    let x = g.input("x", "float32", kilobyte);
    for (let i = 0; i < 10; i++) x = fresh(g, x);
    expect(peak(g, { x })).toBe(2 * 1024);
  });

  it("lets elementwise work stand where its input stood, unless that is read again", () => {
    const g = createGraph();
    const x = fresh(g, g.input("x", "float32", kilobyte));
    const y = mul(g, add(g, x, scalar(g, 1)), scalar(g, 2));
    // A result is a copy under the caller's name.
    expect(peak(g, { y })).toBe(2 * 1024);
    expect(peak(g, { y: add(g, y, x) })).toBe(2 * 1024);
    // x, its copy, and y, which stands where x stood: when it is copied.
    expect(peak(g, { y, x })).toBe(3 * 1024);
  });

  it("counts a reshaped value once", () => {
    const g = createGraph();
    const x = fresh(g, g.input("x", "float32", kilobyte));
    const flat = reshape(g, x, [256]);
    expect(peak(g, { y: reshape(g, matMul(g, reshape(g, flat, [16, 16]), x), [256]) })).toBe(2 * 1024);
  });

  it("keeps every result until the end", () => {
    const g = createGraph();
    const x = g.input("x", "float32", kilobyte);
    const outputs = Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [`y${i}`, fresh(g, mul(g, x, scalar(g, i)))]),
    );
    expect(peak(g, outputs, false)).toBeGreaterThanOrEqual(5 * 1024);
  });

  it("makes float32 of a half-precision weight right before it is used, so that one of many is there at a time", () => {
    const g = createGraph();
    const data = { file: "w", offset: 0, bytes: 512 };
    let x = g.input("x", "float32", [1, 16]);
    for (let i = 0; i < 10; i++) x = matMul(g, x, cast(g, g.external(`w${i}`, "bfloat16", kilobyte, data), "float32"));
    const { atPeak, files, constants } = sessionMemory(g, { x }, true);
    expect([...atPeak.keys()].filter(({ node }) => node?.op === "Cast")).toHaveLength(1);
    expect([files, constants.size]).toEqual([10 * 512, 0]);
  });

  it("otherwise makes it once, rearranged for each product that it is the second factor of", () => {
    const g = createGraph();
    const x = g.input("x", "float32", kilobyte);
    const w = cast(g, g.external("w", "bfloat16", kilobyte, { file: "w", offset: 0, bytes: 512 }), "float32");
    const sizes = (y: Value) => [...sessionMemory(g, { y }, false).constants.values()];
    expect(sizes(matMul(g, x, w))).toEqual([1024]);
    expect(sizes(matMul(g, matMul(g, x, w), w))).toEqual([2048]);
    expect(sizes(add(g, matMul(g, x, w), w))).toEqual([2048]);
  });

  it("adds what a Loop carries to what its body computes", () => {
    const g = createGraph();
    const steps = g.input("steps", "int64", []);
    const start = g.input("start", "float32", [1, 16]);
    const { carried } = g.loop(steps, [{ initial: start, shape: ["past", 16] }], (body, _, [past]) => ({
      condition: body.op("Less", [scalar(body, 0), scalar(body, 1)], {}),
      carried: [body.op("Concat", [past!, start], { axis: 0 })],
      collected: [],
    }));
    const { peak, atPeak } = sessionMemory(g, { y: carried[0]! }, false, 64);
    // Before and after a step, and the result's place.
    expect(peak).toBeGreaterThanOrEqual(3 * 64 * 16 * 4);
    expect(peak).toBeLessThan(3 * 64 * 16 * 4 + 64);
    expect([...atPeak.values()].reduce((a, b) => a + b, 0)).toBe(peak);
  });
});
