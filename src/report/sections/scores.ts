import { inline } from "../elements/text";
import { wideTable } from "../elements/views";

/** Figures of a report, as text. */
export interface ReportTable {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export const scoresSection = (table: ReportTable): string =>
  `<section><h2>${inline(table.title)}</h2>${scoresTable(table)}</section>`;

export function scoresTable({ title, header, rows }: ReportTable): string {
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => (cell === "" ? "<td></td>" : `<${tag}>${inline(cell)}</${tag}>`)).join("")}</tr>`;
  const body = rows.map((row) => cells(row, "td")).join("");
  const table = `<table class="scores"><thead>${cells(header, "th")}</thead><tbody>${body}</tbody></table>`;
  return wideTable(title, table);
}
