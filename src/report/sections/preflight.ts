import type { Rehearsal } from "../../runs/stages";
import type { Task } from "../../task";
import type { Example } from "../../types";
import { escapeHtml } from "../elements/escape";
import { exampleView } from "../elements/example";
import { createPage, type Page } from "../elements/page";
import { shortNumber } from "../elements/plots";
import { leaksMarked, problemView } from "../elements/views";

/** Examples whose annotations are drawn. */
const SHOWN = 8;

/**
 * Makes one HTML page: annotations on their images as the task reads them, and what the model wrote before training.
 */
export async function preflightPage<A>(
  task: Task<A>,
  dataset: readonly Example<A>[],
  rehearsals: readonly Rehearsal[],
): Promise<string> {
  const page = createPage(task, dataset);
  const sections = [annotationsSection(dataset.slice(0, SHOWN), page), rehearsalSections(rehearsals, page)];
  return page.html("Before the first step", [(await Promise.all(sections)).join("")]);
}

async function annotationsSection<A>(examples: readonly Example<A>[], page: Page<A>): Promise<string> {
  const shown = await Promise.all(examples.map((example) => exampleView(page, example, undefined)));
  return `<h2>Annotations</h2><div class="plots">${shown.join("")}</div>`;
}

async function rehearsalSections<A>(rehearsals: readonly Rehearsal[], page: Page<A>): Promise<string> {
  return (await Promise.all(rehearsals.map((rehearsal) => rehearsalSection(rehearsal, page)))).join("");
}

async function rehearsalSection<A>({ report, sampled }: Rehearsal, page: Page<A>): Promise<string> {
  const prediction = sampled[0]?.rollout.prediction as A | null | undefined;
  const shown = await exampleView(page, page.example(report.exampleId)!, prediction);
  const rows = sampled.map(({ segments, reward }) => {
    const written = segments.map(({ completion }, i) =>
      i === 0 && segments.length > 1 ? leaksMarked(completion.text, reward.leaks) : escapeHtml(completion.text),
    );
    return `<tr><td>${written.join("<hr>")}${problemView(reward)}</td><td>${shortNumber(reward.reward)}</td></tr>`;
  });
  const head = "<thead><tr><th>Written</th><th>Reward</th></tr></thead>";
  const table = rows.length === 0 ? "" : `<table class="rollouts">${head}<tbody>${rows.join("")}</tbody></table>`;
  return `<h2>${escapeHtml(report.stage)}</h2><article>${shown}${table}</article>`;
}
