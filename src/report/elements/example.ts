import type { Page } from "./page";
import { exampleHtml } from "./shapes";

/**
 * Shows an example: its image with what is true and what was predicted, its id, its subject and the truth; the id alone
 * if the page does not know the example.
 */
export async function exampleView<A>(page: Page<A>, id: string, prediction?: A | null): Promise<string> {
  const example = await page.shown(id);
  return exampleHtml(example, page.predicted(example, prediction));
}
