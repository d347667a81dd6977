import type { Page } from "../elements/page";
import { inline } from "../elements/text";
import type { RunRecords } from "../reading/run-records";
import { failures, stageCurves } from "./curves";
import { rollouts } from "./rollouts";
import { settingsView } from "./settings";

/**
 * Shows what was run, and its stages one by one: failures, curves, and rollouts of the first, the middle and the last
 * step.
 */
export async function runSection<A>(title: string, run: RunRecords, page: Page<A>): Promise<string> {
  const parts = run.stages.map(async (stage) => {
    const shown = await rollouts(stage.groups, page);
    return `<h3>${inline(stage.name)}</h3>${failures(stage.metrics)}<div class="plots">${stageCurves(stage)}</div>${shown}`;
  });
  const stages = await Promise.all(parts);
  return `<section><h2>${inline(title)}</h2>${settingsView(run)}${stages.join("")}</section>`;
}
