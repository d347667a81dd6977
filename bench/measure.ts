import { availableParallelism } from "node:os";

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/** The same work done in two ways, in turn. */
export interface Rounds {
  readonly what: string;
  /** Milliseconds, a number for each round. */
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** A table of two ways that were measured in turn, with the median of the rounds' ratios b / a, and one line of JSON. */
export function reportRounds(
  bench: string,
  [a, b]: readonly [string, string],
  rows: readonly Rounds[],
  facts: Readonly<Record<string, unknown>> = {},
): void {
  const width = Math.max(...rows.map(({ what }) => what.length));
  const column = (text: string) => text.padStart(Math.max(10, a.length, b.length));
  console.log(`${"".padEnd(width)}  ${column(a)}  ${column(b)}  ${b} / ${a}`);
  const results = rows.map(({ what, ...times }) => {
    const ratios = times.a.map((time, i) => times.b[i]! / time);
    const [ofA, ofB, ratio] = [median(times.a), median(times.b), median(ratios)];
    const show = (ms: number) => column(`${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`);
    console.log(`${what.padEnd(width)}  ${show(ofA)}  ${show(ofB)}  ${ratio.toFixed(2)}`);
    const range = [Math.min(...ratios), Math.max(...ratios)].map((x) => Math.round(x * 100) / 100);
    return {
      what,
      [a]: round(ofA),
      [b]: round(ofB),
      ratio: Math.round(ratio * 1000) / 1000,
      range,
      rounds: ratios.length,
    };
  });
  console.log(JSON.stringify({ bench, cores: availableParallelism(), node: process.version, ...facts, results }));
}

const round = (x: number) => Math.round(x * 10) / 10;
