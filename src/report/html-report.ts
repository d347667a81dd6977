import { checkArguments, fieldsKind, listKind, objectKind, optionalKind, textKind } from "../options/arguments";
import type { Task } from "../task";
import type { Example } from "../types";
import { createPage } from "./elements/page";
import { readRun } from "./elements/run-records";
import { evaluationSection, type ReportedRecord } from "./sections/evaluation";
import { runSection } from "./sections/run";
import { type ReportTable, scoresSection } from "./sections/scores";

export type { ReportedRecord } from "./sections/evaluation";
export type { ReportTable } from "./sections/scores";

export interface ReportedRun {
  readonly title: string;
  readonly runDir: string;
}

export interface ReportOptions<A> {
  readonly title: string;
  /** Formats annotations, and draws them if it has `draw`. */
  readonly task: Task<A>;
  /** Images and true annotations of the runs' examples and of `records`. */
  readonly dataset: readonly Example<A>[];
  /** The runs, in the order of the page. */
  readonly runs: readonly ReportedRun[];
  /** Tables for the head of the page (none). */
  readonly tables?: readonly ReportTable[];
  /** Held-out examples as a model annotates them, from `evaluate` (none). */
  readonly records?: readonly ReportedRecord<A>[];
}

const optionsKind = fieldsKind({
  title: textKind,
  task: objectKind,
  dataset: listKind(fieldsKind({ id: textKind })),
  runs: listKind(fieldsKind({ title: textKind, runDir: textKind })),
  tables: optionalKind(listKind(fieldsKind({ title: textKind, header: listKind(), rows: listKind(listKind()) }))),
  records: optionalKind(listKind(fieldsKind({ exampleId: textKind, text: textKind }))),
});

/**
 * Makes one self-contained HTML page about runs: scores, and for every stage its curves, and rollouts of an image at
 * the first, the middle and the last step, with reconstructions, leaks and rewards. A run may still be under way.
 * @throws CheckpointError for a run directory without metrics, or with rows that are not a run's
 * @example
 * const html = await htmlReport({ title: "Mugs", task, dataset, runs: [{ title: "RISE-CoT", runDir: "runs/cot" }] });
 * await writeFile("report.html", html);
 */
export async function htmlReport<A>(options: ReportOptions<A>): Promise<string> {
  checkArguments("htmlReport", { options }, { options: optionsKind });
  const { title, task, dataset, runs, tables = [], records = [] } = options;
  const page = createPage(task, dataset);
  const sections = [
    ...tables.map(scoresSection),
    await evaluationSection(records, page),
    ...(await Promise.all(runs.map(async ({ title, runDir }) => runSection(title, await readRun(runDir), page)))),
  ];
  return page.html(title, sections);
}
