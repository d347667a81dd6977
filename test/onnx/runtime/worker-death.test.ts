import type { Worker } from "node:worker_threads";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { BackendError } from "../../../src/errors";
import { createGraph, matMul } from "../../../src/onnx/graph/graph";
import { createSession, type Session } from "../../../src/onnx/runtime/session";
import { sessionCache } from "../../../src/onnx/runtime/session-cache";

/** The thread that was started last, with so little heap that it can be filled. */
const started: Worker[] = [];
vi.mock("node:worker_threads", async (original) => {
  const threads = await original<typeof import("node:worker_threads")>();
  const { Worker: Thread } = threads;
  return {
    ...threads,
    Worker: class extends Thread {
      constructor(...[code, options]: ConstructorParameters<typeof Thread>) {
        super(code, { ...options, resourceLimits: { maxOldGenerationSizeMb: 32 } });
        started.push(this);
      }
    },
  };
});

const side = 512;
const feeds = { x: { data: new Float32Array(side * side).fill(1 / side), shape: [side, side] } };

function powers(): Promise<Session> {
  const g = createGraph();
  const x = g.input("x", "float32", [side, side]);
  let y = x;
  for (let i = 0; i < 40; i++) y = matMul(g, y, x);
  return createSession(g, { y }, { threads: 1 });
}

const deaths: readonly (readonly [string, (thread: Worker) => unknown, string])[] = [
  // No request: the thread fails even at answering that it cannot.
  ["throws", (thread) => thread.postMessage(null), "failed: TypeError"],
  [
    "runs out of memory",
    (thread) => thread.postMessage({ id: -1, ask: "release", session: Array.from({ length: 2e6 }, (_, i) => ({ i })) }),
    "failed: Error [ERR_WORKER_OUT_OF_MEMORY]: Worker terminated due to reaching memory limit",
  ],
  ["exits", (thread) => thread.terminate(), "ended with code 1"],
];

describe.each(deaths)("when the thread that runs graphs %s", (_, kill, why) => {
  let session: Session;
  beforeEach(async () => {
    session = await powers();
  });

  it("fails the runs that are under way and the runs after it with an error that says so, and is disposed without one", async () => {
    kill(started.at(-1)!);
    const running = [1, 2, 3].map(() => session.run(feeds).catch((error: unknown) => error));
    const disposing = session.dispose();
    const [last, ...others] = await Promise.all(running);
    expect(others).toEqual([last, last]);
    expect(last).toBeInstanceOf(BackendError);
    expect((last as BackendError).message).toContain(`the thread that runs graphs ${why}`);
    await disposing;
    await expect(session.run(feeds)).rejects.toThrow(last as BackendError);
    await session.dispose();
  });

  it("a graph that is being compiled is refused, and a cache of graphs can be disposed", async () => {
    const cache = sessionCache();
    await cache.run("key", powers, feeds);
    kill(started.at(-1)!);
    await expect(powers()).rejects.toThrow(`the thread that runs graphs ${why}`);
    await expect(cache.run("key", powers, feeds)).rejects.toThrow("what was compiled in it is lost");
    await cache.dispose();
    await session.dispose();
  });

  it("a graph compiled afterwards runs in a new one, and is not taken for an older", async () => {
    const threads = started.length;
    kill(started.at(-1)!);
    await expect(session.run(feeds)).rejects.toThrow(BackendError);
    const g = createGraph();
    const another = await createSession(g, { two: g.constant([2]) });
    expect(started).toHaveLength(threads + 1);
    await expect(session.run(feeds)).rejects.toThrow(BackendError);
    await session.dispose();
    expect(Array.from((await another.run({})).two!.data as Float32Array)).toEqual([2]);
    await another.dispose();
  });
});
