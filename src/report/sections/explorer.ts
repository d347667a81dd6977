import { escapeHtml } from "../elements/escape";
import { legend } from "../elements/shapes";

/** The facts that the section tells of its rollouts. */
export interface Explored {
  readonly runs: readonly string[];
  readonly stages: readonly string[];
  /** Rollouts in the files, and on the page. */
  readonly total: number;
  readonly held: number;
}

/** The form that finds rollouts: the page's script shows it, and fills the list. */
export function explorerSection({ runs, stages, total, held }: Explored): string {
  if (held === 0) return "";
  const part =
    held < total
      ? `<p class="note">The page holds ${held.toLocaleString("en")} of ${total.toLocaleString("en")} rollouts: the best, the worst, those with most leaks, unreadable and cut-off ones, the groups with the widest spread, and a random sample of the rest.</p>`
      : "";
  return [
    "<section hidden><h2>All rollouts</h2>",
    part,
    legend,
    '<form id="filters" autocomplete="off">',
    select("run", "Run", [["", "all"], ...runs.map((title, i): Choice => [String(i), title])]),
    select("stage", "Stage", [["", "all"], ...stages.map((name): Choice => [name, name])]),
    field("number", "first", "Steps from", 'min="0" step="1"'),
    field("number", "last", "to", 'min="0" step="1"'),
    field("number", "least", "Reward from", 'step="any"'),
    field("number", "most", "to", 'step="any"'),
    field("text", "example", "Example"),
    field("search", "text", "Text"),
    "<fieldset><legend>Only</legend>",
    ...[
      ["leaked", "leaked"],
      ["unreadable", "unreadable"],
      ["clipped", "cut off"],
    ].map(([name, label]) => `<label><input type="checkbox" name="${name}"> ${label}</label>`),
    "</fieldset>",
    select("sort", "Order", orders),
    '<button type="reset">Clear</button></form>',
    '<p><output id="found" form="filters"></output></p><div id="cards"></div>',
    '<p><button type="button" id="more" hidden>Show 24 more</button></p></section>',
  ].join("");
}

type Choice = readonly [value: string, label: string];

const orders: readonly Choice[] = [
  ["", "as they came"],
  ["best", "best first"],
  ["worst", "worst first"],
  ["leaks", "most leaks first"],
  ["spread", "groups with the widest spread first"],
  ["long", "longest first"],
];

const select = (name: string, label: string, choices: readonly Choice[]) =>
  `<label>${label} <select name="${name}">${choices.map(([value, words]) => `<option value="${escapeHtml(value)}">${escapeHtml(words.slice(0, 60))}</option>`).join("")}</select></label>`;

const field = (type: string, name: string, label: string, more = "") =>
  `<label>${label} <input type="${type}" name="${name}" ${more}></label>`;
