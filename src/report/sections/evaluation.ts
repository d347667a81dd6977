import type { Evaluation, EvaluationRecord } from "../../evaluation/records";
import type { Page } from "../elements/page";
import { exampleHtml, legend } from "../elements/shapes";
import { inline, shortNumber, written } from "../elements/text";
import { scoresTable } from "./scores";

/** A record of an evaluation, as the report shows it. */
export type ReportedRecord<A> = Pick<EvaluationRecord<A>, "exampleId" | "text" | "think" | "prediction" | "failure"> &
  Partial<Pick<EvaluationRecord<A>, "truth" | "metrics" | "finishReason" | "repairs">>;

/** Records that are shown without the page's script. */
export const mostShown = 100;

/** Shows held-out examples as a model annotates them; nothing without records. */
export async function evaluationSection<A>(
  title: string,
  records: readonly ReportedRecord<A>[],
  page: Page<A>,
  summary = "",
): Promise<string> {
  if (records.length === 0) return "";
  const cards = await Promise.all(records.slice(0, mostShown).map((record) => card(record, page)));
  const more =
    records.length > mostShown
      ? `<p class="note">These are the first ${mostShown} of ${records.length.toLocaleString("en")} records; the list of all rollouts has the others.</p>`
      : "";
  return `<section><h2>${inline(title)}</h2>${summary}${legend}${cards.join("")}${more}</section>`;
}

export function metricsTable({
  metrics,
  intervals,
}: Pick<Evaluation<unknown, string>, "metrics" | "intervals">): string {
  const ranges = new Map(Object.entries(intervals ?? {}));
  const rows = Object.entries(metrics ?? {}).map(([name, value]) => {
    const interval = ranges.get(name);
    const range = interval ? `${shortNumber(interval.low)} … ${shortNumber(interval.high)}` : "";
    return [name === "formatRate" ? "format rate" : name, shortNumber(value), range];
  });
  return rows.length === 0
    ? ""
    : scoresTable({ title: "Metrics", header: ["", "value", intervalWords(intervals ?? {})], rows });
}

/** "95 % interval": the level is an option. */
export function intervalWords(intervals: Evaluation<unknown, string>["intervals"]): string {
  const [level] = Object.values(intervals).map((interval) => `${Number((100 * interval.level).toPrecision(6))} % `);
  return `${level ?? ""}interval`;
}

async function card<A>(record: ReportedRecord<A>, page: Page<A>): Promise<string> {
  const { exampleId, think, prediction, text, failure } = record;
  const example = await page.shown(exampleId);
  const predicted = page.predicted(example, prediction);
  const answer = predicted === undefined ? written(text) : `<code>${inline(predicted.text, 2000)}</code>`;
  const problem = failure === undefined ? "" : `<p class="problem">${inline(failure, 600)}</p>`;
  return `<article>${exampleHtml(example, predicted)}<div class="body"><h3>Thought</h3>${written(think ?? "(none)")}<h3>Answer</h3>${answer}${problem}</div></article>`;
}
