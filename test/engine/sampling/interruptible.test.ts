import { describe, expect, it } from "vitest";
import { createPace, type GenerationGraphs, generateInStretches } from "../../../src/engine/sampling/interruptible";
import { loadConfig } from "../../../src/models/families/qwen2-vl/config";
import { checkpointDir } from "../../models/reference";

const config = await loadConfig(checkpointDir);
const [eos] = config.tokens.eos as [number];
const feeds = {
  prompts: {},
  steps: (done: number, count: number) => ({ span: { data: Float32Array.of(done, count), shape: [2] } }),
};
type Ran = {
  readonly done: number;
  readonly count: number;
  readonly resumable?: boolean;
  readonly finished?: readonly number[];
};

/** Graphs that write, for row r at step i, `token(r, i)`, and remember what they were asked. */
function graphs(
  rows: number,
  token: (row: number, step: number) => number,
): GenerationGraphs & { readonly ran: Ran[] } {
  const ran: Ran[] = [];
  const write = ([done, count]: Float32Array) => {
    const places = Array.from(
      { length: count! * rows },
      (_, at) => [at % rows, done! + Math.floor(at / rows)] as const,
    );
    const logProbs = { data: Float32Array.from(places, ([r, i]) => -r - i / 100), shape: [count!, rows] };
    const tokens = { data: BigInt64Array.from(places, ([r, i]) => BigInt(token(r, i))), shape: [count!, rows] };
    return {
      tokens,
      logProbs,
      samplingLogProbs: logProbs,
      "next.finished": { data: new Uint8Array(rows), shape: [rows] },
    };
  };
  return {
    ran,
    async begin({ span }, resumable) {
      const [done, count] = span!.data as Float32Array;
      ran.push({ done: done!, count: count!, resumable });
      return write(span!.data as Float32Array);
    },
    async goOn({ finished }, { span }) {
      const [done, count] = span!.data as Float32Array;
      ran.push({ done: done!, count: count!, finished: [...(finished!.data as Uint8Array)] });
      return write(span!.data as Float32Array);
    },
  };
}

const run = (fake: GenerationGraphs, more: Partial<Parameters<typeof generateInStretches>[3]> = {}) =>
  generateInStretches(config, fake, feeds, { rows: 2, maxTokens: 100, pace: createPace(), ...more });
/** A machine that needs a second for a token. */
const slow = { fewest: 8, steps: () => 10, took: () => {} };

describe("a generation", () => {
  it("is one run when nobody can end it early", async () => {
    const fake = graphs(2, (r, i) => 10 * r + (i % 7));
    const rows = await run(fake);
    expect(fake.ran).toEqual([{ done: 0, count: 100, resumable: false }]);
    expect(rows.map(({ tokens, ended }) => [tokens.length, ended])).toEqual([
      [100, false],
      [100, false],
    ]);
  });

  it("is cut by its pace under a signal, and put together again", async () => {
    const fake = graphs(2, (r, i) => 1000 * r + i);
    const rows = await run(fake, { maxTokens: 24, signal: new AbortController().signal, pace: slow });
    expect(fake.ran.map(({ done, count }) => [done, count])).toEqual([
      [0, 10],
      [10, 10],
      [20, 4],
    ]);
    expect(rows[1]!.tokens).toEqual(Array.from({ length: 24 }, (_, i) => 1000 + i));
    expect(rows[1]!.logProbs[23]).toBeCloseTo(-1.23, 6);
  });

  it("runs no stretch after the signal was aborted", async () => {
    const stop = new AbortController();
    const fake = graphs(2, () => 3);
    const stopping: GenerationGraphs = {
      begin: fake.begin,
      goOn(...args) {
        stop.abort(new Error("enough"));
        return fake.goOn(...args);
      },
    };
    await expect(run(stopping, { signal: stop.signal, pace: slow })).rejects.toThrow("enough");
    expect(fake.ran).toHaveLength(2);
  });

  it("ends rows that have enough, continues the others, and stops when all have", async () => {
    const fake = graphs(2, (r, i) => (r === 0 ? i : i === 20 ? eos : 0));
    const rows = await run(fake, { isEnough: (tokens) => tokens.includes(9) });
    expect(fake.ran).toEqual([
      { done: 0, count: 8, resumable: true },
      { done: 8, count: 8, finished: [0, 0] },
      { done: 16, count: 16, finished: [1, 0] },
    ]);
    expect(rows[0]!.tokens.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(rows[1]!).toMatchObject({ ended: true });
    expect(rows[1]!.tokens).toHaveLength(21);
  });
});

describe("the pace", () => {
  it("is about half a second's tokens, for each number of rows, and never fewer than 8", () => {
    const pace = createPace();
    expect(pace.steps(4)).toBe(8);
    pace.took(4, 8, 0.08);
    expect(pace.steps(4)).toBe(50);
    pace.took(4, 8, 80);
    expect([pace.steps(4), pace.steps(1)]).toEqual([8, 8]);
  });
});
