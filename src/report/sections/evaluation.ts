import type { EvaluationRecord } from "../../evaluation/records";
import { annotationView } from "../elements/drawing";
import { escapeHtml } from "../elements/escape";
import { truthView } from "../elements/example";
import type { Page } from "../elements/page";

export type ReportedRecord<A> = Pick<EvaluationRecord<A>, "exampleId" | "text" | "think" | "prediction" | "failure">;

/** Shows held-out examples as a model annotates them; nothing without records. */
export async function evaluationSection<A>(records: readonly ReportedRecord<A>[], page: Page<A>): Promise<string> {
  if (records.length === 0) return "";
  const cards = await Promise.all(records.map((record) => card(record, page)));
  const isLabelled = records.some(({ exampleId }) => page.example(exampleId)?.annotation !== undefined);
  return `<section><h2>${isLabelled ? "Held-out images" : "Images"}</h2>${cards.join("")}</section>`;
}

async function card<A>(record: ReportedRecord<A>, page: Page<A>): Promise<string> {
  const { exampleId, think, prediction, text, failure } = record;
  const shown = await truthView(page, exampleId, prediction);
  const answer = prediction === null ? `<code>${escapeHtml(text)}</code>` : annotationView(page.task, prediction);
  const problem = failure === undefined ? "" : `<p class="problem">${escapeHtml(failure)}</p>`;
  return `<article>${shown}<div><h4>Thought</h4><p>${escapeHtml(think ?? "(none)")}</p><h4>Answer</h4>${answer}${problem}</div></article>`;
}
