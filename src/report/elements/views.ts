import type { Leak } from "../../types";
import { escapeHtml } from "./escape";

/** Draws a number from 0 to 1 as a bar. */
export const bar = (share: number): string =>
  `<span class="bar"><span style="width:${(Math.min(Math.max(share, 0), 1) * 100).toFixed(1)}%"></span></span>`;

/** Marks the places of a text that give the annotation away. */
export function leaksMarked(text: string, leaks: readonly Leak[]): string {
  let done = 0;
  let html = "";
  for (const { start, end, kind } of [...leaks].sort((a, b) => a.start - b.start)) {
    if (start < done) continue;
    html += `${escapeHtml(text.slice(done, start))}<mark title="leak: ${escapeHtml(kind)}">${escapeHtml(text.slice(start, end))}</mark>`;
    done = end;
  }
  return html + escapeHtml(text.slice(done));
}

/** Says what is wrong with a rollout, and what `parse` had to overlook. */
export function problemView({
  format,
  repairs = [],
}: {
  readonly format: { readonly ok: boolean; readonly reason?: string | undefined };
  readonly repairs?: readonly string[] | undefined;
}): string {
  const wrong = format.ok ? "" : `<p class="problem">${escapeHtml(format.reason ?? "not the format")}</p>`;
  return repairs.length === 0 ? wrong : `${wrong}<p class="problem">overlooked: ${escapeHtml(repairs.join(", "))}</p>`;
}
