import type { ReportTable } from "rise-ts/report";
import type { SeedResult, WorkedExample } from "./run-seed";

const order = ["uniform", "whole picture", "training mean", "base model", "SFT only", "RFT only (Visual-RFT)", "RISE"];

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
  const own = ["formatRate", "similarity"];
  const metrics = [...Object.keys(rows.RISE!.test).filter((name) => !own.includes(name)), "formatRate"];
  const cell = (row: string, part: "test" | "unseen", metric: string) => {
    const values = results.flatMap((result) => result.rows[row]![part][metric] ?? []);
    if (values.length === 0) return "–";
    const spread = values.length > 1 ? ` ± ${deviation(values).toFixed(3)}` : "";
    return `${mean(values).toFixed(3)}${spread}`;
  };
  return {
    title: `${task} (${results.length} seed${results.length > 1 ? "s" : ""})`,
    header: ["", ...metrics, ...metrics.map((name) => `unseen ${name}`)],
    rows: order
      .filter((row) => row in rows)
      .map((row) => [
        row,
        ...metrics.map((metric) => cell(row, "test", metric)),
        ...metrics.map((metric) => cell(row, "unseen", metric)),
      ]),
  };
}

export function printTable(results: readonly SeedResult[]): void {
  const { title, header, rows } = scoreTable(results);
  const lines = [[title, ...header.slice(1)], ...rows];
  const widths = header.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const show = (line: readonly string[]) =>
    line.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join("  ");
  console.log(
    `\nHeld-out pictures; "unseen" ones show things that training never showed. ${header[1]}: ${results[0]!.better} is better.\n`,
  );
  console.log(
    [show(lines[0]!), widths.map((width) => "─".repeat(width)).join("──"), ...rows.map((row) => show(row))].join("\n"),
  );
}

export function printExamples(examples: readonly WorkedExample[]): void {
  console.log("\nFive held-out pictures as RISE annotates them:");
  for (const { picture, shows, cot, answer, truth } of examples)
    console.log(
      `\n  ${picture}  (${Array.isArray(shows) ? shows.join(", ") : shows})\n    think   ${cot}\n    answer  ${answer}\n    truth   ${truth}`,
    );
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values: readonly number[]) =>
  Math.sqrt(values.reduce((sum, x) => sum + (x - mean(values)) ** 2, 0) / (values.length - 1));
