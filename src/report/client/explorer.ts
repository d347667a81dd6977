import { rolloutCard } from "../elements/cards";
import type { GroupData, PageData, RolloutData } from "../elements/page-data";
import { element, textAt } from "./store";

const shownAtOnce = 24;

/** A rollout with its group, and its texts in lower case once somebody searches. */
interface Row {
  readonly rollout: RolloutData;
  readonly group: GroupData;
  lower?: string;
}

/** Finds, filters and sorts the rollouts of the page; the address keeps what was asked for. */
export function startExplorer(data: PageData): void {
  const form = document.querySelector<HTMLFormElement>("#filters");
  if (!form) return;
  const cards = element(document, "#cards");
  const more = element<HTMLButtonElement>(document, "#more");
  const rows = data.rollouts.map((rollout): Row => ({ rollout, group: data.groups[rollout.group]! }));
  let found: readonly Row[] = [];
  const showMore = () => {
    const next = found.slice(cards.childElementCount).slice(0, shownAtOnce);
    cards.insertAdjacentHTML("beforeend", next.map((row) => cardOf(row, data)).join(""));
    more.hidden = cards.childElementCount >= found.length;
  };
  const search = () => {
    const filters = new FormData(form);
    found = sorted(
      rows.filter((row) => fits(row, filters, data)),
      String(filters.get("sort")),
      data,
    );
    element(document, "#found").textContent =
      `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${rows.length === 1 ? "rollout" : "rollouts"}`;
    cards.replaceChildren();
    showMore();
    remember(filters);
  };
  recall(form);
  form.addEventListener("input", search);
  form.addEventListener("reset", () => setTimeout(search));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", showMore);
  cards.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest<HTMLElement>("button[data-only]") : null;
    if (!button) return;
    only(form, button);
    search();
    form.scrollIntoView();
  });
  search();
}

function cardOf({ rollout, group }: Row, data: PageData): string {
  const cot = rollout.cot === undefined ? undefined : textAt(data, rollout.cot);
  const example = data.examples[group.example]!;
  const run = data.runs[group.run] ?? "";
  return rolloutCard({ run, group, rollout, example, cot, answer: textAt(data, rollout.answer) });
}

function fits(row: Row, filters: FormData, data: PageData): boolean {
  const { rollout, group } = row;
  const asked = (name: string) => String(filters.get(name) ?? "");
  const within = (value: number | undefined, from: string, to: string) =>
    (asked(from) === "" || (value ?? Number.NaN) >= Number(asked(from))) &&
    (asked(to) === "" || (value ?? Number.NaN) <= Number(asked(to)));
  return (
    (asked("run") === "" || group.run === Number(asked("run"))) &&
    (asked("stage") === "" || group.stage === asked("stage")) &&
    within(group.step, "first", "last") &&
    within(rollout.reward, "least", "most") &&
    (!filters.has("leaked") || rollout.leaks !== undefined) &&
    (!filters.has("unreadable") || rollout.fault !== undefined) &&
    (!filters.has("clipped") || rollout.isClipped === true) &&
    isExample(data, group, asked("example")) &&
    (asked("text") === "" || lowerText(row, data).includes(asked("text").toLowerCase()))
  );
}

/** An id that is given in full means that example alone. */
function isExample({ examples }: PageData, { example }: GroupData, asked: string): boolean {
  const { id } = examples[example]!;
  return asked === "" || id === asked || (id.includes(asked) && !examples.some((other) => other.id === asked));
}

function lowerText(row: Row, data: PageData): string {
  const { cot, answer } = row.rollout;
  row.lower ??= [cot, answer].map((at) => (at === undefined ? "" : textAt(data, at)[0].toLowerCase())).join("\n");
  return row.lower;
}

function sorted(rows: readonly Row[], order: string, data: PageData): readonly Row[] {
  const reward = ({ rollout }: Row) => rollout.reward ?? Number.NEGATIVE_INFINITY;
  const scores: ReadonlyMap<string, (row: Row) => number> = new Map([
    ["best", reward],
    ["worst", ({ rollout }: Row) => -(rollout.reward ?? Number.POSITIVE_INFINITY)],
    ["leaks", ({ rollout }: Row) => rollout.leaks?.length ?? 0],
    ["spread", ({ group }: Row) => group.spread],
    ["long", ({ rollout }: Row) => textAt(data, rollout.cot ?? rollout.answer)[1]],
  ]);
  const score = scores.get(order);
  if (!score) return rows;
  // Rows of one group stay together, and the first of equal ones stays first.
  return [...rows].sort((a, b) => score(b) - score(a) || a.rollout.group - b.rollout.group);
}

/** Asks for one example through all runs and steps, or for one group. */
function only(form: HTMLFormElement, { dataset }: HTMLElement): void {
  for (const input of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select")) {
    if (input instanceof HTMLInputElement && input.type === "checkbox") input.checked = false;
    else input.value = "";
  }
  const asked = new URLSearchParams(dataset.only);
  for (const [name, value] of asked) element<HTMLInputElement>(form, `[name="${name}"]`).value = value;
}

const mark = "#?";

/** Puts the filters into the address, so that a page that is read again shows the same. */
function remember(filters: FormData): void {
  const asked = [...filters].flatMap(([name, value]) => (value === "" ? [] : [[name, String(value)]]));
  if (asked.length > 0) history.replaceState(null, "", `${mark}${new URLSearchParams(asked)}`);
  else if (location.hash.startsWith(mark)) history.replaceState(null, "", "#");
}

function recall(form: HTMLFormElement): void {
  if (!location.hash.startsWith(mark)) return;
  for (const [name, value] of new URLSearchParams(location.hash.slice(mark.length))) {
    const input = form.elements.namedItem(name);
    if (input instanceof HTMLInputElement && input.type === "checkbox") input.checked = true;
    else if (input instanceof HTMLInputElement || input instanceof HTMLSelectElement) input.value = value;
  }
}
