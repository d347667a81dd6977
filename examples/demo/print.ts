import type { ReportTable } from "rise-ts/report";
import { deviation, mean } from "../statistics";
import { differenceTable } from "./differences";
import { heldOut } from "./measure";
import type { SeedResult, WorkedExample } from "./run-seed";

/** How reward, leaks and format went from the first to the last steps of each reinforcement stage. */
export function printLearning(results: readonly SeedResult[]): void {
  console.log("\nMean of a stage's first and last five steps, over all seeds:");
  for (const stage of Object.keys(results[0]!.learning)) {
    const ends = ["reward", "rise/leak_rate", "rise/format_rate"].map((name) => {
      const part = (slice: (steps: readonly number[]) => readonly number[]) =>
        mean(results.map(({ learning }) => mean(slice(trained(learning[stage]!).map((row) => Number(row[name]))))));
      return `${name.replace("rise/", "").replace("_", " ")} ${part((s) => s.slice(0, 5)).toFixed(2)} → ${part((s) => s.slice(-5)).toFixed(2)}`;
    });
    console.log(`  ${stage.padEnd(10)} ${ends.join("   ")}`);
  }
  const kept = results.map(({ kept: { cots, of } }) => `${cots} of ${of}`).join(", ");
  console.log(`  cots with a reward of at least τ: ${kept}`);
}

/** Steps that learned: the closing pass of RISE-CoT only samples. */
const trained = <Row extends Readonly<Record<string, unknown>>>(rows: readonly Row[]) =>
  rows.filter((row) => "learning_rate" in row);

/** One row a model, the mean over seeds (± standard deviation, where there are several). */
export function scoreTable(results: readonly SeedResult[]): ReportTable {
  const { rows, task } = results[0]!;
  const own = ["formatRate", "similarity", "named"];
  const metrics = [
    ...Object.keys(rows.RISE!.test.metrics).filter((name) => !own.includes(name)),
    "formatRate",
    "named",
  ];
  const cell = (row: string, part: "test" | "unseen", metric: string) => {
    const values = results.flatMap((result) => result.rows[row]![part].metrics[metric] ?? []);
    if (values.length === 0) return "–";
    const spread = values.length > 1 ? ` ± ${deviation(values).toFixed(3)}` : "";
    return `${mean(values).toFixed(3)}${spread}`;
  };
  return {
    title: `${task} (${results.length} seed${results.length > 1 ? "s" : ""})`,
    header: ["", ...metrics, ...metrics.map((name) => `unseen ${name}`)],
    rows: Object.keys(rows).map((row) => [
      row,
      ...heldOut.flatMap((part) => metrics.map((metric) => cell(row, part, metric))),
    ]),
  };
}

/** The worth of true thoughts about held-out pictures to the policy before and after stage 1. */
export function printThoughts(results: readonly SeedResult[]): void {
  console.log(
    "\nSimilarity that a true thought earns, none, and one about another annotation; how often the first is ahead of the last beside the same picture, and over all pictures (AUC); mean over all seeds:",
  );
  for (const when of ["before", "after"] as const)
    for (const part of heldOut) {
      const of = (name: "own" | "empty" | "other" | "ahead" | "auc") =>
        mean(results.map(({ thoughts }) => thoughts[when][part][name]));
      const [own, empty, other] = [of("own"), of("empty"), of("other")];
      console.log(
        `  ${`${when} stage 1, ${part}`.padEnd(24)} true ${own.toFixed(3)}   none ${empty.toFixed(3)}   other ${other.toFixed(3)}   ` +
          `cotGain ${(own - empty).toFixed(3)}   ahead ${of("ahead").toFixed(2)}   AUC ${of("auc").toFixed(2)}`,
      );
    }
}

/** Differences on the same pictures. */
export function printDifferences(results: readonly SeedResult[]): void {
  const { title, header, rows } = differenceTable(results);
  const { better } = results[0]!;
  console.log(
    `\nDifferences on the same pictures, 95 % interval over seeds and things shown, seeds in which RISE is ahead (${better} is better):\n`,
  );
  printLines([[title, ...header.slice(1)], ...rows]);
}

export function printTable(results: readonly SeedResult[]): void {
  const { title, header, rows } = scoreTable(results);
  console.log(
    `\nHeld-out pictures; "unseen" ones show things that training never showed. ${header[1]}: ${results[0]!.better} is better. named: thoughts that name what is shown.\n`,
  );
  printLines([[title, ...header.slice(1)], ...rows]);
}

function printLines(lines: readonly (readonly string[])[]): void {
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const show = (line: readonly string[]) =>
    line.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join("  ");
  const [head, ...rest] = lines.map(show);
  console.log([head, widths.map((width) => "─".repeat(width)).join("──"), ...rest].join("\n"));
}

export function printExamples(examples: readonly WorkedExample[]): void {
  console.log("\nFive held-out pictures as RISE annotates them:");
  for (const { picture, shows, cot, answer, truth } of examples)
    console.log(
      `\n  ${picture}  (${Array.isArray(shows) ? shows.join(", ") : shows})\n    think   ${cot}\n    answer  ${answer}\n    truth   ${truth}`,
    );
}
