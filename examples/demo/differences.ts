import { weightedMean } from "rise-ts/metrics";
import type { ReportTable } from "rise-ts/report";
import { mean, seedsInterval } from "../statistics";
import { rise } from "./arms";
import { heldOut, type Scores } from "./measure";
import type { SeedResult } from "./run-seed";

/**
 * RISE less every other row, on the same pictures: the mean over seeds and its 95 % interval, which draws seeds, and in each the things that pictures show
 * (pictures of one thing stand or fall together).
 */
export function differenceTable(results: readonly SeedResult[]): ReportTable {
  const { rows, better } = results[0]!;
  const others = Object.keys(rows).filter((row) => row !== rise);
  const cell = (row: string, part: (typeof heldOut)[number]) => {
    const seeds = results.map((result) => {
      const values = byThing(result.rows[rise]![part], result.rows[row]![part]);
      return { value: mean(values), examples: values.length, weighted: weightedMean(values) };
    });
    const { low, high } = seedsInterval(seeds);
    const wins = seeds.filter(({ value }) => (better === "lower" ? value < 0 : value > 0)).length;
    return `${signed(mean(seeds.map(({ value }) => value)))} [${signed(low)}, ${signed(high)}], ${wins} of ${seeds.length}`;
  };
  return {
    title: "RISE less …",
    header: ["", ...heldOut],
    rows: others.map((row) => [row, ...heldOut.map((part) => cell(row, part))]),
  };
}

/** The mean difference of each thing that is shown. */
function byThing(a: Scores, b: Scores): number[] {
  const things = new Map<string, number[]>();
  for (const [i, { shows, value }] of a.each.entries())
    things.set(shows, [...(things.get(shows) ?? []), value - b.each[i]!.value]);
  return [...things.values()].map(mean);
}

const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
