import type { Leak } from "../types";
import { escapeHtml } from "./escape";
import { shortNumber } from "./plots";

/** A distribution as bars, anything else as it is written. */
export function annotationView(annotation: unknown, written: string): string {
  if (!isDistribution(annotation)) return `<code>${escapeHtml(written)}</code>`;
  const rows = Object.entries(annotation).map(
    ([label, p]) => `<tr><td>${escapeHtml(label)}</td><td>${bar(p)}</td><td>${shortNumber(p)}</td></tr>`,
  );
  return `<table class="distribution">${rows.join("")}</table>`;
}

/** A number from 0 to 1 as a bar. */
export const bar = (share: number): string =>
  `<span class="bar"><span style="width:${(Math.min(Math.max(share, 0), 1) * 100).toFixed(1)}%"></span></span>`;

/** Text with the places that give the annotation away marked. */
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

const isDistribution = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((p) => typeof p === "number");

/** What is wrong with a rollout, and what had to be overlooked to read it. */
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
