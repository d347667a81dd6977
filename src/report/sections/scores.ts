import { escapeHtml } from "../elements/escape";

/** Figures of a report, as text. */
export interface ReportTable {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Shows a table of scores. */
export function scoresSection({ title, header, rows }: ReportTable): string {
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  const body = rows.map((row) => cells(row, "td")).join("");
  return `<section><h2>${escapeHtml(title)}</h2><table class="scores"><thead>${cells(header, "th")}</thead><tbody>${body}</tbody></table></section>`;
}
