import { counted } from "../../options/display";
import { cotCard } from "../elements/cards";
import type { CotData, PageData } from "../elements/page-data";
import { element, textAt } from "./store";

/** Cots that are shown before one asks for all. */
const shownAtOnce = 24;

/** Lets the threshold of every list of cots be moved. */
export function startThresholds(data: PageData): void {
  for (const root of document.querySelectorAll<HTMLElement>(".cots")) {
    const list = data.cots[Number(root.dataset.place)];
    if (list) startThreshold(root, list, data);
  }
}

function startThreshold(root: HTMLElement, list: CotData, data: PageData): void {
  const form = element<HTMLFormElement>(root, "form");
  const [range, exact] = [...form.querySelectorAll("input")] as [HTMLInputElement, HTMLInputElement];
  const all = element<HTMLButtonElement>(root, "button");
  form.hidden = false;
  const show = (most = shownAtOnce) => {
    const threshold = Number(exact.value);
    const kept = list.cots.filter(({ at }) => list.rewards[at]! >= threshold);
    const count = list.rewards.filter((reward) => reward >= threshold).length;
    element(root, "output").innerHTML =
      `A reward of at least ${threshold}: <b>${count}</b> of ${counted(list.rewards.length, "cot")}${kept.length < count ? `; the page holds ${kept.length} of them` : ""}`;
    element(root, ".cards").innerHTML = kept
      .slice(0, most)
      .map((cot) => card(cot, list, data))
      .join("");
    all.hidden = kept.length <= most;
    all.textContent = `Show all ${kept.length}`;
    moveLine(root, threshold);
  };
  range.addEventListener("input", () => {
    exact.value = range.value;
    show();
  });
  exact.addEventListener("input", () => {
    // An empty field is about to hold another number.
    if (exact.value === "") return;
    range.value = exact.value;
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  all.addEventListener("click", () => show(Number.POSITIVE_INFINITY));
  show();
}

function card({ at, example, cot, gain }: CotData["cots"][number], list: CotData, data: PageData): string {
  return cotCard(data.examples[example]!, textAt(data, cot), list.rewards[at]!, gain);
}

/** Moves the histogram's line, and dims the columns without a reward that reaches it. */
function moveLine(root: HTMLElement, threshold: number): void {
  const histogram = element<SVGSVGElement>(root, ".histogram");
  const [low, high] = [Number(histogram.dataset.low), Number(histogram.dataset.high)];
  const share = Math.min(Math.max((threshold - low) / (high - low), 0), 1);
  element(histogram, ".tau").setAttribute("transform", `translate(${share * histogram.viewBox.baseVal.width} 0)`);
  for (const column of histogram.querySelectorAll("rect"))
    column.classList.toggle("out", Number(column.dataset.best) < threshold);
}
