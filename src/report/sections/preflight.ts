import type { Trial } from "../../runs/stages";
import type { Task } from "../../task";
import type { Example } from "../../types";
import { exampleView } from "../elements/example";
import { createPage, type Page } from "../elements/page";
import { inline, shortNumber, written } from "../elements/text";
import { problemView, wideTable } from "../elements/views";

/** Examples whose annotations are drawn. */
const SHOWN = 8;

/**
 * Makes one HTML page: annotations on their images as the task reads them, and what the model wrote before training.
 */
export async function preflightPage<A>(
  task: Task<A>,
  dataset: readonly Example<A>[],
  trials: readonly Trial[],
): Promise<string> {
  const page = createPage(task, dataset);
  const sections = [annotationsSection(dataset.slice(0, SHOWN), page), trialSections(trials, page)];
  return page.html("Before the first step", [(await Promise.all(sections)).join("")]);
}

async function annotationsSection<A>(examples: readonly Example<A>[], page: Page<A>): Promise<string> {
  const shown = await Promise.all(examples.map(({ id }) => exampleView(page, id)));
  return `<section><h2>Annotations</h2><div class="plots">${shown.join("")}</div></section>`;
}

async function trialSections<A>(trials: readonly Trial[], page: Page<A>): Promise<string> {
  return (await Promise.all(trials.map((trial) => trialSection(trial, page)))).join("");
}

async function trialSection<A>({ report, sampled }: Trial, page: Page<A>): Promise<string> {
  const prediction = sampled[0]?.rollout.prediction as A | null | undefined;
  const shown = await exampleView(page, report.exampleId, prediction);
  const rows = sampled.map(({ segments, reward }) => {
    const texts = segments.map(({ completion }, i) =>
      written(completion.text, i === 0 && segments.length > 1 ? reward.leaks : []),
    );
    return `<tr><td>${texts.join("<hr>")}${problemView(reward)}</td><td>${shortNumber(reward.reward)}</td></tr>`;
  });
  const head = "<thead><tr><th>Written</th><th>Reward</th></tr></thead>";
  const table = `<table class="rollouts">${head}<tbody>${rows.join("")}</tbody></table>`;
  const sample = rows.length === 0 ? "" : wideTable(`Written before ${report.stage}`, table);
  return `<section><h2>${inline(report.stage)}</h2><article>${shown}${sample}</article></section>`;
}
