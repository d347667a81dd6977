import { escapeHtml } from "../elements/escape";
import { truthView } from "../elements/example";
import type { Page } from "../elements/page";
import { shortNumber } from "../elements/plots";
import type { RolloutRow } from "../elements/run-records";
import { bar, leaksMarked, problemView } from "../elements/views";

/** Shows one group of rollouts for each step, the best rollout first. */
export async function rollouts<A>(rows: readonly RolloutRow[], page: Page<A>): Promise<string> {
  const groups = await Promise.all([...oneGroupAStep(rows)].map(([step, group]) => groupView(step, group, page)));
  return groups.join("");
}

/** The rollouts of the first example of each step. */
function oneGroupAStep(rows: readonly RolloutRow[]): ReadonlyMap<number, readonly RolloutRow[]> {
  const groups = new Map<number, RolloutRow[]>();
  for (const row of rows) {
    const group = groups.get(row.step) ?? [];
    if (group.length === 0 || group[0]!.exampleId === row.exampleId) group.push(row);
    groups.set(row.step, group);
  }
  return groups;
}

async function groupView<A>(step: number, rows: readonly RolloutRow[], page: Page<A>): Promise<string> {
  const ranked = [...rows].sort((a, b) => b.reward.reward - a.reward.reward || a.index - b.index);
  const best = ranked[0]!;
  // The task's own `parse` made it, as far as a file can be trusted: `drawnBy` expects anything.
  const prediction = best.prediction as A | null;
  const isLearned = rows.some(({ advantage }) => advantage !== undefined);
  const lines = ranked.map(({ cot, reconstruction, completion, reward, advantage }) => {
    const written = cot ? leaksMarked(cot.text, reward.leaks) : escapeHtml(completion?.text ?? "");
    const rebuilt = reconstruction ? `<code>${escapeHtml(reconstruction.text)}</code>` : "";
    const problem = problemView(reward);
    const earned = `${bar(reward.reward)} ${shortNumber(reward.reward)}`;
    const relative = isLearned ? `<td>${advantage === undefined ? "" : shortNumber(advantage)}</td>` : "";
    return `<tr><td>${written}${problem}</td><td>${rebuilt}</td><td>${earned}</td>${relative}</tr>`;
  });
  const head = `<tr><th>Written</th><th>Reconstructed</th><th>Reward</th>${isLearned ? "<th>Advantage</th>" : ""}</tr>`;
  return [
    `<article><div><h4>Step ${step}</h4>${await truthView(page, best.exampleId, prediction)}</div>`,
    `<table class="rollouts"><thead>${head}</thead><tbody>${lines.join("")}</tbody></table></article>`,
  ].join("");
}
