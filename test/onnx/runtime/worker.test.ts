import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraph, matMul } from "../../../src/onnx/graph/graph";
import { createSession, type Session } from "../../../src/onnx/runtime/session";

const side = 512;
const ones = { data: new Float32Array(side * side).fill(1 / side), shape: [side, side] };
let session: Session;
beforeAll(async () => {
  const g = createGraph();
  const x = g.input("x", "float32", [side, side]);
  let y = x;
  for (let i = 0; i < 40; i++) y = matMul(g, y, x);
  session = await createSession(g, { y }, { threads: 1 });
});
afterAll(() => session.dispose());

describe("while a graph runs", () => {
  it("timers fire", async () => {
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    let seen = 0;
    await session.run({ x: ones }).then(() => (seen = fired));
    clearInterval(timer);
    expect(seen).toBeGreaterThan(1);
  });

  it("others wait their turn, and each gets its own answer", async () => {
    const times = [1, 2, 3].map((factor) => ({
      data: ones.data.map((x) => x * (factor === 1 ? 1 : 0)),
      shape: ones.shape,
    }));
    const answers = await Promise.all(times.map((x) => session.run({ x })));
    expect(answers.map(({ y }) => Math.round((y!.data[0] as number) * side))).toEqual([1, 0, 0]);
  });
});

describe("a feed", () => {
  it("is still the caller's after the run, whether its memory is shared or not", async () => {
    const shared = new Float32Array(new SharedArrayBuffer(ones.data.byteLength));
    shared.set(ones.data);
    const [a, b] = [await session.run({ x: ones }), await session.run({ x: { data: shared, shape: ones.shape } })];
    expect(a.y!.data).toEqual(b.y!.data);
    expect(ones.data).toHaveLength(side * side);
    expect(shared).toHaveLength(side * side);
  });
});

describe("a process", () => {
  const start = (program: string) =>
    promisify(execFile)(process.execPath, ["--import", "tsx", "-e", program], {
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
    }).then(
      () => 0,
      ({ code, signal }: { code: number | null; signal: string | null }) => code ?? signal,
    );
  const program = (then: string) => `
    import { createGraph, matMul } from "./src/onnx/graph/graph.ts";
    import { createSession } from "./src/onnx/runtime/session.ts";
    const g = createGraph();
    const x = g.input("x", "float32", [512, 512]);
    let y = x;
    for (let i = 0; i < 200; i++) y = matMul(g, y, x);
    createSession(g, { y }, { threads: 1 }).then((session) => {
      const running = session.run({ x: { data: new Float32Array(512 * 512), shape: [512, 512] } });
      ${then}
    });`;

  it("ends by itself after the run, sessions open", async () => {
    expect(await start(program("running.then(() => { process.exitCode = 5; });"))).toBe(5);
  });

  it("that exits during a run ends with the code that it asked for", async () => {
    expect(await start(program("setTimeout(() => process.exit(3), 20);"))).toBe(3);
  });
});
