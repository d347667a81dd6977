import { escapeHtml } from "../elements/escape";
import type { Page } from "../elements/page";
import type { StageRecords } from "../elements/run-records";
import { curves, failures } from "./curves";
import { rollouts } from "./rollouts";

/** Shows the stages of a run one by one: failures, curves, and rollouts of the first, the middle and the last step. */
export async function runSection<A>(title: string, stages: readonly StageRecords[], page: Page<A>): Promise<string> {
  const parts = stages.map(async ({ name, metrics, rollouts: rows }) => {
    const shown = await rollouts(rows, page);
    return `<h3>${escapeHtml(name)}</h3>${failures(metrics)}<div class="plots">${curves(metrics)}</div>${shown}`;
  });
  return `<section><h2>${escapeHtml(title)}</h2>${(await Promise.all(parts)).join("")}</section>`;
}
