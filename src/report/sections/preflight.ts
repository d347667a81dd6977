import type { Rehearsal } from "../../runs/stages";
import type { Task } from "../../task";
import type { Example } from "../../types";
import { escapeHtml } from "../escape";
import { createPageImages, type PageImages } from "../image";
import { shortNumber } from "../plots";
import { style } from "../style";
import { annotationView, leaksMarked, problemView } from "../views";

/** Examples whose annotations are drawn. */
const SHOWN = 8;

/** One HTML page: annotations as the task reads them, drawn on their pictures, and what the model wrote before it learned anything. */
export async function preflightPage<A>(
  task: Task<A>,
  dataset: readonly Example<A>[],
  rehearsals: readonly Rehearsal[],
): Promise<string> {
  const examples = new Map(dataset.map((example) => [example.id, example]));
  const images = createPageImages();
  const annotated = await Promise.all(dataset.slice(0, SHOWN).map((example) => exampleView(task, example, images)));
  const tried = await Promise.all(
    rehearsals.map(async ({ report: { stage, exampleId }, sampled }) => {
      const example = examples.get(exampleId)!;
      const shown = await exampleView(task, example, images, sampled[0]?.rollout.prediction);
      const rows = sampled.map(({ segments, reward }) => {
        const written = segments.map(({ completion }, i) =>
          i === 0 && segments.length > 1 ? leaksMarked(completion.text, reward.leaks) : escapeHtml(completion.text),
        );
        const problem = problemView(reward);
        return `<tr><td>${written.join("<hr>")}${problem}</td><td>${shortNumber(reward.reward)}</td></tr>`;
      });
      const table =
        rows.length === 0
          ? ""
          : `<table class="rollouts"><thead><tr><th>Written</th><th>Reward</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
      return `<h2>${escapeHtml(stage)}</h2><article>${shown}${table}</article>`;
    }),
  );
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Before the first step</title>`,
    `<meta name="viewport" content="width=device-width"><style>${style}</style></head><body><h1>Before the first step</h1>`,
    `<h2>Annotations</h2><div class="plots">${annotated.join("")}</div>${tried.join("")}${images.definitions()}</body></html>\n`,
  ].join("");
}

async function exampleView<A>(
  task: Task<A>,
  example: Example<A>,
  images: PageImages,
  prediction?: unknown,
): Promise<string> {
  const { id, annotation, subject } = example;
  const drawn = await images.draw(example, { truth: annotation, prediction });
  const asked = subject === undefined ? "" : `<p>${escapeHtml(subject)}</p>`;
  return `<div class="example">${drawn}<p class="id">${escapeHtml(id)}</p>${asked}${annotationView(annotation, task.format(annotation))}</div>`;
}
