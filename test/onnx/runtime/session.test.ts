import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { BackendError, ShapeError } from "../../../src/errors";
import { add, cast, concat, createGraph, type Graph, mul, reduceSum, scalar } from "../../../src/onnx/graph/graph";
import type { Value } from "../../../src/onnx/graph/value";
import { createSession, type Session, type SessionOptions, type Tensor } from "../../../src/onnx/runtime/session";

const open: Session[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const session of open.splice(0)) await session.dispose();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function compile(g: Graph, outputs: Record<string, Value>, options: SessionOptions = {}): Promise<Session> {
  const session = await createSession(g, outputs, { threads: 1, ...options });
  open.push(session);
  return session;
}

const floats = (...numbers: number[]): Tensor => ({ data: Float32Array.from(numbers), shape: [numbers.length] });
const integer = (n: number): Tensor => ({ data: BigInt64Array.of(BigInt(n)), shape: [] });
const plain = (results: Record<string, Tensor>) =>
  Object.fromEntries(
    Object.entries(results).map(([name, { data, shape }]) => [
      name,
      { shape, data: Array.from<number | bigint, number>(data, Number) },
    ]),
  );

const always = (body: Graph) => cast(body, body.integers([1], []), "bool");

describe("a session", () => {
  it("gives outputs the caller's names, also when two are one value or an output is an input", async () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const y = add(g, x, x);
    const session = await compile(g, { once: y, twice: y, same: x });
    expect(plain(await session.run({ x: floats(1, 2) }))).toEqual({
      once: { shape: [2], data: [2, 4] },
      twice: { shape: [2], data: [2, 4] },
      same: { shape: [2], data: [1, 2] },
    });
  });

  it("can return a constant", async () => {
    const g = createGraph();
    const session = await compile(g, { c: g.constant([1, 2, 3], [3, 1]) });
    expect(plain(await session.run({}))).toEqual({ c: { shape: [3, 1], data: [1, 2, 3] } });
  });

  it("names a missing feed and what it should have been", async () => {
    const g = createGraph();
    const session = await compile(g, { y: g.op("Neg", [g.input("pixels", "float32", [2, 3])], {}) });
    await expect(session.run({})).rejects.toThrow(ShapeError);
    await expect(session.run({})).rejects.toThrow('feed "pixels": expected float32 [2, 3], but it is missing');
  });

  it.each([
    ["another size", { data: new Float32Array(4), shape: [2, 2] }],
    ["another rank", { data: new Float32Array(6), shape: [6] }],
    ["a shape that its numbers do not fill", { data: new Float32Array(5), shape: [2, 3] }],
    ["another type", { data: new BigInt64Array(6), shape: [2, 3] }],
  ])("refuses a feed of %s, by name", async (_, tensor) => {
    const g = createGraph();
    const session = await compile(g, { y: g.op("Neg", [g.input("pixels", "float32", [2, 3])], {}) });
    await expect(session.run({ pixels: tensor })).rejects.toThrow(ShapeError);
    await expect(session.run({ pixels: tensor })).rejects.toThrow(
      /feed "pixels": expected float32 \[2, 3\], got .* numbers as/,
    );
  });

  it("takes any size where one is left open, and ignores feeds that nothing needs", async () => {
    const g = createGraph();
    const x = g.input("x", "float32", ["n"]);
    g.input("unused", "float32", [7]);
    const session = await compile(g, { y: reduceSum(g, x, [0]) });
    expect((await session.run({ x: floats(1, 2, 3), unused: floats(1) })).y!.data).toEqual(Float32Array.of(6));
    expect((await session.run({ x: floats(4) })).y!.data).toEqual(Float32Array.of(4));
  });

  it("refuses an output that has the name of an input", async () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1]);
    await expect(createSession(g, { x: add(g, x, x) })).rejects.toThrow(BackendError);
  });

  it("says what onnxruntime refused", async () => {
    const g = createGraph();
    const mixed = add(g, g.input("a", "float32", [1]), g.input("b", "int64", [1]));
    await expect(createSession(g, { mixed })).rejects.toThrow(BackendError);
  });
});

describe("a Loop", () => {
  it("carries values that grow, uses values from outside, and stacks what it collects", async () => {
    const g = createGraph();
    const x = g.input("x", "float32", [1, 2]);
    const factor = mul(g, g.input("factor", "float32", []), scalar(g, 10));
    const start = mul(g, x, scalar(g, 1));
    const { carried, collected } = g.loop(
      g.input("steps", "int64", []),
      [{ initial: start }, { initial: start, shape: ["rows", 2] }],
      (body, iteration, [last, rows]) => {
        // `factor` and `x` belong to the graph outside, the constant to both.
        const next = add(body, mul(body, last!, factor), mul(body, x, scalar(body, 1)));
        return {
          condition: always(body),
          carried: [next, concat(body, [rows!, next], 0)],
          collected: [reduceSum(body, next, [0, 1]), iteration],
        };
      },
    );
    const session = await compile(g, {
      last: carried[0]!,
      rows: carried[1]!,
      sums: collected[0]!,
      places: collected[1]!,
    });
    const run = (steps: number) =>
      session.run({
        x: { data: Float32Array.of(1, 2), shape: [1, 2] },
        factor: { data: Float32Array.of(1), shape: [] },
        steps: integer(steps),
      });
    expect(plain(await run(3))).toEqual({
      last: { shape: [1, 2], data: [1111, 2222] },
      rows: { shape: [4, 2], data: [1, 2, 11, 22, 111, 222, 1111, 2222] },
      sums: { shape: [3], data: [33, 333, 3333] },
      places: { shape: [3], data: [0, 1, 2] },
    });
    expect(plain(await run(1)).rows).toEqual({ shape: [2, 2], data: [1, 2, 11, 22] });
    expect(plain(await run(0)).rows).toEqual({ shape: [1, 2], data: [1, 2] });
  });

  it("stops when its condition turns false", async () => {
    const g = createGraph();
    const { carried, collected } = g.loop(
      g.integers([100], []),
      [{ initial: g.input("x", "float32", []) }],
      (body, _, [x]) => {
        const doubled = add(body, x!, x!);
        return {
          condition: body.op("Less", [doubled, scalar(body, 50)], {}),
          carried: [doubled],
          collected: [doubled],
        };
      },
    );
    const session = await compile(g, { last: carried[0]!, seen: collected[0]! });
    const results = plain(await session.run({ x: { data: Float32Array.of(3), shape: [] } }));
    expect(results).toEqual({ last: { shape: [], data: [96] }, seen: { shape: [5], data: [6, 12, 24, 48, 96] } });
  });

  it("may hold another Loop, which sees all the graphs around it", async () => {
    const g = createGraph();
    const outer = g.input("outer", "float32", []);
    const { carried } = g.loop(g.integers([2], []), [{ initial: scalar(g, 0) }], (body, _, [total]) => {
      const middle = add(body, outer, scalar(body, 1));
      const inner = body.loop(body.integers([3], []), [{ initial: total! }], (deep, __, [sum]) => ({
        condition: always(deep),
        carried: [add(deep, add(deep, sum!, outer), middle)],
        collected: [],
      }));
      return { condition: always(body), carried: inner.carried, collected: [] };
    });
    const session = await compile(g, { total: carried[0]! });
    const { total } = await session.run({ outer: { data: Float32Array.of(10), shape: [] } });
    expect([...total!.data]).toEqual([2 * 3 * (10 + 11)]);
  });

  it("feeds nodes after it, and may pass a value through unchanged or from outside", async () => {
    const g = createGraph();
    const x = g.input("x", "float32", [2]);
    const scaled = mul(g, x, scalar(g, 5));
    const { carried } = g.loop(g.integers([2], []), [{ initial: x }, { initial: x }], (body, _, [kept]) => ({
      condition: always(body),
      carried: [kept!, scaled],
      collected: [],
    }));
    const session = await compile(g, { y: add(g, carried[0]!, carried[1]!) });
    expect((await session.run({ x: floats(1, 2) })).y!.data).toEqual(Float32Array.of(6, 12));
  });
});

describe("tensors in a file", () => {
  it("are read from any offset, in any of the types of a checkpoint", async () => {
    const folder = await mkdtemp(join(tmpdir(), "onnx-external-"));
    folders.push(folder);
    const bytes = Buffer.alloc(64);
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2, 3).buffer), 7);
    // 1.5 and −2 as the upper halves of two float32; 1 and −2 in half precision.
    bytes.set(new Uint8Array(Uint16Array.of(0x3fc0, 0xc000).buffer), 21);
    bytes.set(new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer), 33);
    await writeFile(join(folder, "model.safetensors"), bytes);

    const g = createGraph();
    const file = "model.safetensors";
    const single = g.external("single", "float32", [3], { file, offset: 7, bytes: 12 });
    const brain = g.external("brain", "bfloat16", [2], { file, offset: 21, bytes: 4 });
    const half = g.external("half", "float16", [1, 2], { file, offset: 33, bytes: 4 });
    expect(g.external("single", "float32", [3], { file, offset: 7, bytes: 12 })).toBe(single);
    const outputs = {
      sum: add(g, single, g.input("zero", "float32", [])),
      wideBrain: cast(g, brain, "float32"),
      wideHalf: cast(g, half, "float32"),
    };
    const session = await compile(g, outputs, { folder });
    expect(plain(await session.run({ zero: { data: Float32Array.of(0), shape: [] } }))).toEqual({
      sum: { shape: [3], data: [1.5, -2, 3] },
      wideBrain: { shape: [2], data: [1.5, -2] },
      wideHalf: { shape: [1, 2], data: [1, -2] },
    });
  });

  it("are an error, not a crash, when the file is missing or too short", async () => {
    const folder = await mkdtemp(join(tmpdir(), "onnx-external-"));
    folders.push(folder);
    await writeFile(join(folder, "short.bin"), new Uint8Array(10));
    for (const file of ["missing.bin", "short.bin"]) {
      const g = createGraph();
      const weights = g.external("weights", "float32", [3], { file, offset: 0, bytes: 12 });
      const y = add(g, weights, g.input("x", "float32", []));
      await expect(createSession(g, { y }, { folder })).rejects.toThrow(BackendError);
    }
  });
});
