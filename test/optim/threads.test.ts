import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { TrainingError } from "../../src/errors";
import { adamw, chain, clipByGlobalNorm } from "../../src/optim";
import { sharedTensors, zerosLike } from "../../src/optim/shared-tensors";
import { type Loop, runInThreads } from "../../src/optim/threads";
import { createRng } from "../../src/rng";

const several = availableParallelism() > 1;
/** Sizes whose sum is worth several threads, and that no number of threads divides. */
const sizes = [1, 170_003, 7, 0, 99_991, 64];
const lengths = sizes.map((size, i) => [`${i}`, size] as const);

/** Adds one, and writes down which thread did: each remembers a moment of its own. */
const mark: Loop<readonly [Float32Array, Float32Array], { readonly one: number }> = ([counts, threads], { one }) => {
  const thread: { moment?: number } = globalThis as object;
  thread.moment ??= performance.now();
  for (let i = 0; i < counts.length; i++) {
    counts[i]! += one;
    threads[i] = thread.moment;
  }
};

function marked() {
  const [counts, threads] = [sharedTensors(lengths), sharedTensors(lengths)];
  runInThreads(
    mark,
    sizes.map((_, i) => ({ arrays: [counts.get(`${i}`)!, threads.get(`${i}`)!] as const, scalars: { one: 1 } })),
  );
  return { counts: flat(counts), threads: new Set(flat(threads)) };
}

const flat = (tensors: ReadonlyMap<string, Float32Array>) => [...tensors.values()].flatMap((values) => [...values]);

describe("loops in threads", () => {
  beforeAll(async () => {
    if (several) while (marked().threads.size < 2) await sleep(10);
  });

  it("go over each place once", () => {
    expect(marked().counts.every((count) => count === 1)).toBe(true);
  });

  it.runIf(several)("continue in other threads once those are up", () => {
    expect(marked().threads.size).toBeGreaterThan(1);
  });

  it.runIf(several)("are complete when they return, though a helper wakes this thread too early", () => {
    const { wait } = Atomics;
    let woken = 0;
    // A notification of the work before arrives now and then while the helper still works.
    const early = vi.spyOn(Atomics, "wait").mockImplementation((...args: Parameters<typeof wait>) => {
      return woken++ % 3 < 2 ? "ok" : Reflect.apply(wait, Atomics, args);
    });
    for (let round = 0; round < 5; round++) expect(marked().counts.every((count) => count === 1)).toBe(true);
    early.mockRestore();
    expect(woken).toBeGreaterThan(0);
  });

  it.runIf(several)("say so when their source is not all that they need", () => {
    const one = 1;
    const values = sharedTensors([["w", 300_000] as const]).get("w")!;
    const leaning: Loop<readonly [Float32Array]> = ([array]) => array.fill(one);
    expect(() => runInThreads(leaning, [{ arrays: [values], scalars: {} }])).toThrow(TrainingError);
    expect(marked().counts.every((count) => count === 1)).toBe(true);
  });

  it("stay in this thread with arrays that others cannot see", () => {
    const [counts, threads] = [new Float32Array(300_000), new Float32Array(300_000)];
    runInThreads(mark, [{ arrays: [counts, threads], scalars: { one: 1 } }]);
    expect(new Set(threads).size).toBe(1);
    expect(counts.every((count) => count === 1)).toBe(true);
  });

  it("make clipping and AdamW give the same bits as in one thread, whatever decays", () => {
    const rng = createRng(0, "threads");
    const draw = () => new Map(lengths.map(([name, size]) => [name, Float32Array.from({ length: size }, rng.normal)]));
    const optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1, decays: (name) => name !== "2" }));
    const [alone, gradients] = [draw(), draw()];
    const together = zerosLike(sharedTensors(lengths));
    for (const [name, values] of alone) together.get(name)!.set(values);
    const states = [optimizer.init(alone), optimizer.init(together)] as const;
    for (let step = 0; step < 3; step++) {
      const copies = sharedTensors(lengths);
      for (const [name, values] of gradients) copies.get(name)!.set(values);
      optimizer.update(copies, states[1], together, { learningRate: 0.01 });
      optimizer.update(new Map([...gradients].map(([name, g]) => [name, g.slice()])), states[0], alone, {
        learningRate: 0.01,
      });
    }
    expect(flat(together)).toEqual(flat(alone));
    for (const [name, values] of states[0].tensors) expect([...states[1].tensors.get(name)!]).toEqual([...values]);
  });
});

describe("shared tensors", () => {
  it("lie one after the other, of zeros", () => {
    const [a, b] = [...sharedTensors([["a", 3] as const, ["b", 2] as const]).values()];
    expect(a!.buffer).toBe(b!.buffer);
    expect([a!.byteOffset, b!.byteOffset]).toEqual([0, 12]);
    expect([...a!, ...b!]).toEqual([0, 0, 0, 0, 0]);
  });

  it("are only made beside tensors that are shared, so that a copy of another state is a copy", () => {
    expect(zerosLike(new Map([["w", new Float32Array(2)]]), "m/").get("m/w")!.buffer).toBeInstanceOf(ArrayBuffer);
    expect(zerosLike(sharedTensors([["w", 2] as const]), "m/").get("m/w")!.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});
