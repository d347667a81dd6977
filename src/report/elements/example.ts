import type { Example } from "../../types";
import { annotationView, drawnBy } from "./drawing";
import { escapeHtml } from "./escape";
import type { Page } from "./page";

/**
 * Shows an example: its image with what is true and what was predicted, its id, its subject and the truth in words.
 * @param heading HTML before the truth
 */
export async function exampleView<A>(
  { task, images }: Page<A>,
  example: Example<A>,
  prediction: A | null | undefined,
  heading = "",
): Promise<string> {
  const { id, annotation, subject } = example;
  const truth = drawnBy(task, annotation);
  const predicted = drawnBy(task, prediction);
  const image = await images.draw(example, { truth: truth.shapes, prediction: predicted.shapes });
  const asked = subject === undefined ? "" : `<p>${escapeHtml(subject)}</p>`;
  const problems = truth.problem + predicted.problem;
  // An image that a model annotates has no truth.
  const words = annotation === undefined ? "" : `${heading}${annotationView(task, annotation)}`;
  return `<div class="example">${image}${problems}<p class="id">${escapeHtml(id)}</p>${asked}${words}</div>`;
}

/** Shows the example of an id as `exampleView` does, or the id alone if the data set has no such example. */
export async function truthView<A>(page: Page<A>, id: string, prediction: A | null | undefined): Promise<string> {
  const example = page.example(id);
  if (!example) return `<div><p>${escapeHtml(id)}</p></div>`;
  return exampleView(page, example, prediction, "<h4>Truth</h4>");
}
