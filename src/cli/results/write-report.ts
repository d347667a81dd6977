import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ConfigData } from "../../config/data";
import type { Config } from "../../config/read";
import { readEvaluation } from "../../evaluation/directory";
import type { Evaluation } from "../../evaluation/records";
import { writingTo } from "../../files/refusals";
import { htmlReport, type ReportTable } from "../../report/html-report";
import { intervalWords } from "../../report/sections/evaluation";
import { writeAtomically } from "../../runs/directory/files";
import { foldersIn } from "../frame/folders";
import { decimals } from "../frame/output";

/**
 * Writes the report on all that `runDir` holds.
 * @param refreshSeconds lets browsers read the page again after so long
 * @returns its path
 * @throws CheckpointError for a folder without a run
 */
export async function writeReport(
  { runDir }: Config,
  { task, train, validation, test }: ConfigData,
  file?: string,
  refreshSeconds?: number,
) {
  const folders = foldersIn(runDir);
  const path = file ?? folders.report;
  const runs = [
    { title: "Stage 1: justify annotations", runDir: folders.cot },
    { title: "Stage 2: think, then annotate", runDir: folders.r1 },
  ];
  const evaluation = await evaluationIn(folders.evaluation);
  const before = await evaluationIn(folders.evaluationBase);
  const columns = (of: Evaluation<unknown, string>, value: string) => [value, intervalWords(of.intervals)];
  const tables: ReportTable[] = evaluation
    ? [
        {
          title: "Held-out examples",
          header: [
            "metric",
            ...(before ? columns(before, "before training") : []),
            ...columns(evaluation, before ? "after training" : "value"),
          ],
          rows: Object.keys(evaluation.metrics).map((name) => [
            name,
            ...(before ? valueCells(before, name) : []),
            ...valueCells(evaluation, name),
          ]),
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
    ...(refreshSeconds !== undefined && { refreshSeconds }),
  });
  await writingTo(path, () => writeAtomically(path, html));
  return path;
}

/** Writes the report on folders of runs and evaluations, from what they hold. */
export async function reportOn(folders: readonly string[], file?: string, refreshSeconds?: number): Promise<string> {
  const path = file ?? join(folders[0]!, "report.html");
  const runs = folders.map((runDir) => ({ runDir }));
  const html = await htmlReport({ runs, ...(refreshSeconds !== undefined && { refreshSeconds }) });
  await writingTo(path, () => writeAtomically(path, html));
  return path;
}

const evaluationIn = async (folder: string) =>
  existsSync(join(folder, "evaluation.json")) ? readEvaluation<unknown>(folder) : undefined;

function valueCells({ metrics, intervals }: Evaluation<unknown, string>, name: string): readonly string[] {
  const { low, high } = intervals[name] ?? { low: Number.NaN, high: Number.NaN };
  return [decimals(metrics[name] ?? Number.NaN), `${decimals(low)} to ${decimals(high)}`];
}
