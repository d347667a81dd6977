import { escapeHtml } from "./escape";
import type { GroupData, RolloutData } from "./page-data";
import { bar, exampleHtml, type ShownExample } from "./shapes";
import { inline, score, shortNumber, written } from "./text";
import { problemView } from "./views";

/** A text of a page, and the length of the whole. */
export type PageText = readonly [text: string, length: number];

/** A rollout with everything that it refers to. */
export interface RolloutCard {
  readonly run: string;
  readonly group: GroupData;
  readonly rollout: RolloutData;
  readonly example: ShownExample;
  readonly cot?: PageText | undefined;
  readonly answer: PageText;
}

/** Shows a rollout beside its example. */
export function rolloutCard({ run, group, rollout, example, cot, answer }: RolloutCard): string {
  const { stage, step } = group;
  const { index, prediction, leaks = [], fault, repairs, advantage, isClipped } = rollout;
  const facts = [
    earned(rollout.reward),
    ...(advantage === undefined ? [] : [`advantage ${shortNumber(advantage)}`]),
    ...(group.size > 1 ? [`spread of its group ${score(group.spread)}`] : []),
    ...(isClipped ? ["cut off"] : []),
  ];
  const format = fault === undefined ? { ok: true } : { ok: false, reason: fault };
  const texts = cot
    ? `<h4>Cot</h4>${written(cot[0], leaks, cot[1])}<h4>Reconstruction</h4>${written(answer[0], [], answer[1])}`
    : `<h4>Answer</h4>${written(answer[0], leaks, answer[1])}`;
  return [
    `<article>${exampleHtml(example, prediction)}<div class="body">`,
    `<h3>${inline(run, 80)}, ${inline(stage, 40)}${step > 0 ? `, step ${step}` : ""}: ${inline(example.id, 80)}, number ${index + 1}</h3>`,
    `<p class="earned">${facts.join(", ")}</p>${texts}${problemView({ format, repairs, leaks })}`,
    `<p>${onlyButton("this example", { example: example.id })} ${group.size > 1 ? onlyButton("this group", { run: String(group.run), stage, first: String(step), last: String(step), example: example.id }) : ""}</p></div></article>`,
  ].join("");
}

/** A button that sets the filters of the list. */
const onlyButton = (words: string, filters: Readonly<Record<string, string>>) =>
  `<button type="button" data-only="${escapeHtml(new URLSearchParams(filters).toString())}">Only ${words}</button>`;

const earned = (reward: number | undefined) =>
  reward === undefined ? "no reward" : `${bar(reward)} reward ${score(reward)}`;

export function cotCard(example: ShownExample, [text, length]: PageText, reward: number, gain?: number): string {
  const more = gain === undefined ? "" : `, ${score(gain)} more than from the image alone`;
  return `<article>${exampleHtml(example)}<div class="body"><p class="earned">${earned(reward)}${more}</p>${written(text, [], length)}</div></article>`;
}
