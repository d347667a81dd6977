import { exampleView } from "../elements/example";
import type { Page } from "../elements/page";
import { bar } from "../elements/shapes";
import { score, shortNumber, written } from "../elements/text";
import { problemView, wideTable } from "../elements/views";
import type { RolloutGroup } from "../reading/run-records";

/** Shows groups of rollouts, the best rollout of each first. */
export async function rollouts<A>(groups: readonly RolloutGroup[], page: Page<A>): Promise<string> {
  return (await Promise.all(groups.map((group) => groupView(group, page)))).join("");
}

async function groupView<A>(group: RolloutGroup, page: Page<A>): Promise<string> {
  const ranked = [...group].sort((a, b) => b.reward.reward - a.reward.reward || a.index - b.index);
  const best = ranked[0]!;
  // The task's own `parse` made it, as far as a file can be trusted: `predicted` expects anything.
  const prediction = best.prediction as A | null;
  const isLearned = group.some(({ advantage }) => advantage !== undefined);
  const lines = ranked.map(({ cot, reconstruction, completion, reward, advantage }) => {
    const text = cot ?? completion;
    const wrote = text ? written(text.text, reward.leaks, text.length) : "";
    const rebuilt = reconstruction ? written(reconstruction.text, [], reconstruction.length) : "";
    const earned = `${bar(reward.reward)} ${score(reward.reward)}`;
    const relative = isLearned
      ? `<td data-label="advantage">${advantage === undefined ? "" : shortNumber(advantage)}</td>`
      : "";
    return `<tr><td>${wrote}${problemView(reward)}</td>${cot ? `<td>${rebuilt}</td>` : ""}<td data-label="reward">${earned}</td>${relative}</tr>`;
  });
  const heads = ["Written", ...(best.cot ? ["Reconstructed"] : []), "Reward", ...(isLearned ? ["Advantage"] : [])];
  const head = `<tr>${heads.map((name) => `<th>${name}</th>`).join("")}</tr>`;
  const table = `<table class="rollouts"><thead>${head}</thead><tbody>${lines.join("")}</tbody></table>`;
  return [
    `<article><div><h4>Step ${best.step}</h4>${await exampleView(page, best.exampleId, prediction)}</div>`,
    `${wideTable(`Rollouts of step ${best.step}`, table)}</article>`,
  ].join("");
}
