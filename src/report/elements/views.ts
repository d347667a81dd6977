import { escapeHtml } from "./escape";
import { beginning, inline, type Mark } from "./text";

/** Says what is wrong with a rollout, and what `parse` had to overlook. */
export function problemView({
  format,
  repairs = [],
  leaks = [],
}: {
  readonly format: { readonly ok: boolean; readonly reason?: string | undefined };
  readonly repairs?: readonly string[] | undefined;
  readonly leaks?: readonly Mark[] | undefined;
}): string {
  const kinds = [...new Set(leaks.map(({ kind }) => kind))];
  const problems = [
    ...(format.ok ? [] : [inline(format.reason ?? "not the format")]),
    ...(kinds.length > 0 ? [`leaks: ${inline(kinds.join(", "))}`] : []),
    ...(repairs.length > 0 ? [`overlooked: ${inline(repairs.join(", "))}`] : []),
  ];
  return problems.map((problem) => `<p class="problem">${problem}</p>`).join("");
}

/** A table that scrolls by itself where it is wider than the page, also by keyboard. */
export const wideTable = (label: string, table: string): string =>
  `<div class="wide" tabindex="0" role="group" aria-label="${escapeHtml(beginning(label))}">${table}</div>`;
