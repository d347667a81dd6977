import { describe, expect, it } from "vitest";
import type { Session } from "../../../src/onnx/runtime/session";
import { sessionCache } from "../../../src/onnx/runtime/session-cache";

/** A session that notes what happens to it; `run` lasts until `finish` is called where `slow`. */
function recorder(slow = false) {
  const seen = { created: 0, runs: 0, disposed: 0, finish: () => {} };
  const until = slow ? new Promise<void>((resolve) => (seen.finish = resolve)) : Promise.resolve();
  const session: Session = {
    async run() {
      await until;
      if (seen.disposed > 0) throw new Error("run after dispose");
      seen.runs++;
      return {};
    },
    async dispose() {
      seen.disposed++;
    },
  };
  const create = async () => {
    seen.created++;
    return session;
  };
  return { seen, create };
}

describe("compiled graphs", () => {
  it("are compiled once, also when two calls ask at the same time", async () => {
    const [cache, { seen, create }] = [sessionCache(), recorder()];
    await Promise.all([cache.run("a", create, {}), cache.run("a", create, {})]);
    await cache.run("a", create, {});
    expect(seen).toMatchObject({ created: 1, runs: 3, disposed: 0 });
  });

  it("are disposed when others have been used since, the longest unused first", async () => {
    const cache = sessionCache(2);
    const [a, b, c] = [recorder(), recorder(), recorder()];
    for (const [key, { create }] of Object.entries({ a, b })) await cache.run(key, create, {});
    await cache.run("a", a.create, {});
    await cache.run("c", c.create, {});
    expect([a, b, c].map(({ seen }) => seen.disposed)).toEqual([0, 1, 0]);
    await cache.run("b", b.create, {}).catch(() => {});
    expect(b.seen.created).toBe(2);
  });

  it("make room before the next is compiled: two large ones might not fit side by side", async () => {
    const cache = sessionCache(1);
    const [a, b] = [recorder(), recorder()];
    await cache.run("a", a.create, {});
    const create = () => {
      expect(a.seen.disposed).toBe(1);
      return b.create();
    };
    await cache.run("b", create, {});
    expect(b.seen.runs).toBe(1);
  });

  it("that run when all are disposed are disposed when their run ends", async () => {
    const [cache, { seen, create }] = [sessionCache(), recorder(true)];
    const running = cache.run("a", create, {});
    await cache.dispose();
    expect(seen.disposed).toBe(0);
    seen.finish();
    await running;
    expect(seen).toMatchObject({ runs: 1, disposed: 1 });
  });

  it("are never disposed while they run", async () => {
    const cache = sessionCache(1);
    const [busy, other] = [recorder(true), recorder()];
    const running = cache.run("busy", busy.create, {});
    await cache.run("other", other.create, {});
    expect(busy.seen.disposed).toBe(0);
    busy.seen.finish();
    await running;
    expect(busy.seen.runs).toBe(1);
  });

  it("are compiled again where compiling failed", async () => {
    const [cache, { seen, create }] = [sessionCache(), recorder()];
    await expect(cache.run("a", () => Promise.reject(new Error("no memory")), {})).rejects.toThrow("no memory");
    await cache.run("a", create, {});
    expect(seen.runs).toBe(1);
  });

  it("are all disposed with their cache", async () => {
    const cache = sessionCache();
    const recorders = [recorder(), recorder()];
    for (const [i, { create }] of recorders.entries()) await cache.run(`${i}`, create, {});
    await cache.dispose();
    expect(recorders.map(({ seen }) => seen.disposed)).toEqual([1, 1]);
  });
});
