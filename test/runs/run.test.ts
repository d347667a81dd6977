import { describe, expect, it } from "vitest";
import { createRun } from "../../src/runs/run";

/** Counts to `n`, noting in `log` what it did and when it was cleaned up. */
function counting(n: number, log: string[] = []) {
  return async function* (signal: AbortSignal) {
    log.push("start");
    try {
      for (let i = 1; i <= n; i++) {
        signal.throwIfAborted();
        log.push(`work ${i}`);
        yield i;
      }
      return `counted to ${n}`;
    } finally {
      log.push("clean up");
    }
  };
}

async function* failing() {
  yield 1;
  throw new Error("broken");
}

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe("a run", () => {
  it("does nothing until somebody wants it", async () => {
    const log: string[] = [];
    const run = createRun(counting(2, log));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log).toEqual([]);
    expect(await run).toBe("counted to 2");
  });

  it("starts once, however often it is awaited and iterated", async () => {
    const log: string[] = [];
    const run = createRun(counting(3, log));
    expect(await collect(run)).toEqual([1, 2, 3]);
    expect(await Promise.all([run, run])).toEqual(["counted to 3", "counted to 3"]);
    expect(log.filter((line) => line === "start")).toHaveLength(1);
  });

  it("gives every event to everyone who iterates, while somebody else awaits", async () => {
    const run = createRun(counting(4));
    const [a, b, result] = await Promise.all([collect(run), collect(run), run]);
    expect([a, b, result]).toEqual([[1, 2, 3, 4], [1, 2, 3, 4], "counted to 4"]);
  });

  it("cleans up, and rejects with the error, when its listener throws", async () => {
    const log: string[] = [];
    const hear = () => {
      throw new Error("the log is full");
    };
    const run = createRun(counting(3, log), { listen: () => ({ hear, close: () => {} }) });
    await expect(run).rejects.toThrow("the log is full");
    expect(log).toEqual(["start", "work 1", "clean up"]);
  });

  it("stands still while the one who iterates is busy", async () => {
    const log: string[] = [];
    const workWhenSeen: number[] = [];
    for await (const _ of createRun(counting(3, log))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      workWhenSeen.push(log.filter((line) => line.startsWith("work")).length);
    }
    expect(workWhenSeen).toEqual([1, 2, 3]);
  });

  it("answers requests made all at once in order", async () => {
    const iterator = createRun(counting(2))[Symbol.asyncIterator]();
    const answers = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()]);
    expect(answers.map(({ value }) => value)).toEqual([1, 2, undefined, undefined]);
  });

  it("tells its error to those who await and to those who iterate, also afterwards", async () => {
    const run = createRun(failing);
    const outcomes = await Promise.allSettled([collect(run), run]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: "rejected", reason: { message: "broken" } });
    await expect(collect(run)).rejects.toThrow("broken");
    expect(await run.catch(() => "caught")).toBe("caught");
  });

  it("stops at the event at which the loop was left, and cleans up before the loop is over", async () => {
    const log: string[] = [];
    const run = createRun(counting(100, log));
    for await (const event of run) if (event === 2) break;
    expect(log).toEqual(["start", "work 1", "work 2", "clean up"]);
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
  });

  it("keeps its result when the loop is left at the last event", async () => {
    const run = createRun(counting(2));
    for await (const event of run) if (event === 2) break;
    expect(await run).toBe("counted to 2");
  });

  it("is over at once after the end", async () => {
    const run = createRun(counting(2));
    await run;
    expect(await collect(run)).toEqual([]);
  });

  it("is aborted by the signal it was made with, with the signal's own reason", async () => {
    const stop = new AbortController();
    const run = createRun(counting(100), { signal: stop.signal });
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const event of run) {
          seen.push(event);
          if (event === 3) stop.abort(new Error("enough"));
        }
      })(),
    ).rejects.toThrow("enough");
    expect(seen).toEqual([1, 2, 3]);
  });

  it("does not even start under a signal that was aborted before", async () => {
    const log: string[] = [];
    await expect(createRun(counting(1, log), { signal: AbortSignal.abort(new Error("never")) })).rejects.toThrow(
      "never",
    );
    expect(log).toEqual([]);
  });
});
