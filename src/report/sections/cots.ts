import { selectHighQuality } from "../../cots/select";
import { counted } from "../../options/display";
import { cotCard } from "../elements/cards";
import type { Page } from "../elements/page";
import { inline, shortNumber } from "../elements/text";
import type { CotList } from "./data";

const columns = 60;
const [width, height] = [900, 100];
/** Cots that are shown without the page's script. */
const shownAtOnce = 12;

/**
 * Shows a run's cots: a histogram of their rewards, how many reach the threshold, and the first of these. The page's
 * script moves the threshold.
 */
export async function cotsSection<A>(title: string, list: CotList, page: Page<A>, place: number): Promise<string> {
  const { cots, threshold } = list;
  if (cots.length === 0) return "";
  const kept = selectHighQuality(cots, { threshold });
  const cards = await Promise.all(
    kept
      .slice(0, shownAtOnce)
      .map(({ exampleId, cot, reward, cotGain }) =>
        page.shown(exampleId).then((example) => cotCard(example, [cot, cot.length], reward, cotGain)),
      ),
  );
  const rewards = cots.map(({ reward }) => reward);
  const [low, high] = [Math.min(0, least(rewards)), Math.max(1, -least(rewards.map((reward) => -reward)))];
  const id = `threshold-${place}`;
  return [
    `<section><h2>Cots of ${inline(title)}</h2><div class="cots" data-place="${place}">`,
    `<form class="threshold" autocomplete="off" hidden><label for="${id}">Threshold τ</label>`,
    `<input type="range" id="${id}" min="${low}" max="${high}" step="${(high - low) / 200}" value="${threshold}">`,
    `<label>exactly <input type="number" step="any" value="${threshold}"></label></form>`,
    `<p><output>A reward of at least ${threshold}: <b>${kept.length}</b> of ${counted(cots.length, "cot")}</output></p>`,
    histogram(rewards, low, high, threshold),
    `<div class="cards">${cards.join("")}</div><p><button type="button" hidden>Show all</button></p></div></section>`,
  ].join("");
}

const least = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

function histogram(rewards: readonly number[], low: number, high: number, threshold: number): string {
  const filled = Array.from({ length: columns }, (): number[] => []);
  for (const reward of rewards)
    filled[Math.min(columns - 1, Math.floor(((reward - low) / (high - low)) * columns))]!.push(reward);
  const most = Math.max(...filled.map(({ length }) => length));
  const step = width / columns;
  const bars = filled.map((own, i) => {
    const tall = (own.length / most) * (height - 6);
    const [from, to] = [i, i + 1].map((edge) => shortNumber(low + (edge * (high - low)) / columns));
    return `<rect x="${(i * step + 0.5).toFixed(1)}" y="${(height - tall).toFixed(1)}" width="${step - 1}" height="${tall.toFixed(1)}" class="main" data-best="${-least(own.map((reward) => -reward))}"><title>${own.length} from ${from} to ${to}</title></rect>`;
  });
  const at = (((threshold - low) / (high - low)) * width).toFixed(1);
  return [
    `<svg class="histogram" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" data-low="${low}" data-high="${high}" role="img" aria-label="Histogram of ${counted(rewards.length, "reward")} from ${shortNumber(low)} to ${shortNumber(high)}; the fullest column has ${most}">`,
    `<path class="axis" d="M0 ${height}H${width}"/>${bars.join("")}<path class="tau" d="M0 0V${height}" transform="translate(${at} 0)"/></svg>`,
    `<p class="ends"><span>${shortNumber(low)}</span><span>reward; the fullest column has ${counted(most, "cot")}</span><span>${shortNumber(high)}</span></p>`,
  ].join("");
}
