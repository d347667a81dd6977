import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ConfigData } from "../../config/data";
import type { Config } from "../../config/read";
import { readEvaluation } from "../../evaluation/directory";
import { htmlReport, type ReportTable } from "../../report/html-report";
import { writeAtomically } from "../../runs/directory/files";
import { decimals } from "../frame/output";

/**
 * Writes the report on all that `runDir` holds.
 * @returns its path
 * @throws CheckpointError for a folder without a run
 */
export async function writeReport({ runDir }: Config, { task, train, validation, test }: ConfigData, file?: string) {
  const path = file ?? join(runDir, "report.html");
  const runs = [
    { title: "Stage 1: justify annotations", runDir: join(runDir, "cot") },
    { title: "Stage 2: think, then annotate", runDir: join(runDir, "r1") },
  ];
  const evaluated = existsSync(join(runDir, "evaluation", "evaluation.json"));
  const evaluation = evaluated ? await readEvaluation<unknown>(join(runDir, "evaluation")) : undefined;
  const tables: ReportTable[] = evaluation
    ? [
        {
          title: "Held-out examples",
          header: ["metric", "value", "95 % interval"],
          rows: Object.entries(evaluation.metrics).map(([name, value]) => {
            const { low, high } = evaluation.intervals[name]!;
            return [name, decimals(value), `${decimals(low)} to ${decimals(high)}`];
          }),
        },
      ]
    : [];
  const present = runs.filter((run) => existsSync(join(run.runDir, "metrics.jsonl")));
  const html = await htmlReport({
    title: `RISE: ${task.name}`,
    task,
    dataset: [...train, ...validation, ...test],
    runs: present.length > 0 ? present : runs,
    tables,
    records: evaluation?.records ?? [],
  });
  await writeAtomically(path, html);
  return path;
}
