import { availableParallelism } from "node:os";

/** Milliseconds of each of `times` calls, after `warmups` that are not counted. */
export async function measure(work: () => Promise<unknown>, times = 7, warmups = 2): Promise<number[]> {
  const taken: number[] = [];
  for (let i = -warmups; i < times; i++) {
    const start = performance.now();
    await work();
    if (i >= 0) taken.push(performance.now() - start);
  }
  return taken;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

export interface Row {
  readonly what: string;
  /** Milliseconds. */
  readonly ours: readonly number[];
  /** Of the fastest way that the yardstick has; absent where there is none. */
  readonly theirs?: { readonly how: string; readonly times: readonly number[] };
}

/** A table for people, and one line of JSON for machines. */
export function report(bench: string, rows: readonly Row[], facts: Readonly<Record<string, unknown>> = {}): void {
  const width = Math.max(...rows.map(({ what }) => what.length));
  const show = (ms: number) => `${ms.toFixed(0)} ms`.padStart(9);
  console.log(`${"".padEnd(width)}  ${"rise-ts".padStart(9)}  ${"PyTorch".padStart(9)}  PyTorch / rise-ts`);
  for (const { what, ours, theirs } of rows) {
    const [a, b] = [median(ours), theirs && median(theirs.times)];
    console.log(
      `${what.padEnd(width)}  ${show(a)}  ${b ? show(b) : "        –"}  ${b ? `${(b / a).toFixed(2)} (${theirs!.how})` : ""}`,
    );
  }
  const results = rows.map(({ what, ours, theirs }) => ({
    what,
    riseMs: round(median(ours)),
    riseRangeMs: [Math.min(...ours), Math.max(...ours)].map(round),
    runs: ours.length,
    ...(theirs && {
      torchMs: round(median(theirs.times)),
      torchRangeMs: [Math.min(...theirs.times), Math.max(...theirs.times)].map(round),
      torchHow: theirs.how,
    }),
  }));
  console.log(JSON.stringify({ bench, cores: availableParallelism(), node: process.version, ...facts, results }));
}

/** The variant with the lowest median. */
export function fastest(variants: Readonly<Record<string, readonly number[]>>) {
  const [how, times] = Object.entries(variants).reduce((a, b) => (median(b[1]) < median(a[1]) ? b : a));
  return { how, times };
}

const round = (x: number) => Math.round(x * 10) / 10;
