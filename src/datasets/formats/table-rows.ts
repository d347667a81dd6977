import { extname } from "node:path";
import { DataError } from "../../errors";
import { shown } from "../../options/display";
import { readRecords } from "./csv-records";
import { readJsonRows } from "./json-rows";

/** A row of a table: its cells as text, by the names of their columns. */
export interface TableRow {
  readonly cells: ReadonlyMap<string, string>;
  readonly where: string;
}

/** Told of the columns: a heading's, or those of the first row of JSON. */
type CheckColumns = (columns: readonly string[], where: string) => void;

/**
 * Yields the rows of a table: a CSV with a heading, or, in a `.jsonl` or `.json` file, an object for each row.
 * @throws DataError naming the file and the line
 */
export function readTable(path: string, delimiter: string, check: CheckColumns): AsyncGenerator<TableRow> {
  const isJson = [".jsonl", ".json"].includes(extname(path).toLowerCase());
  return isJson ? readObjects(path, check) : readCells(path, delimiter, check);
}

async function* readObjects(path: string, check: CheckColumns): AsyncGenerator<TableRow> {
  let empty: readonly (readonly [string, string])[] | undefined;
  for await (const { value, where } of readJsonRows(path)) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new DataError(
        `${where}: expected an object, such as {"image": "1.jpg", "label": "joy"}, got ${shown(value)}`,
      );
    if (!empty) check(Object.keys(value), where);
    empty ??= Object.keys(value).map((column) => [column, ""]);
    // A row may leave a column out, as an empty cell does.
    const written = Object.entries(value).map(([column, cell]) => [column, textOf(cell)] as const);
    yield { cells: new Map([...empty, ...written]), where };
  }
}

const textOf = (cell: unknown): string => (typeof cell === "string" ? cell : cell === null ? "" : JSON.stringify(cell));

async function* readCells(path: string, delimiter: string, check: CheckColumns): AsyncGenerator<TableRow> {
  let columns: readonly string[] | undefined;
  for await (const { record, where } of readRecords(path, delimiter)) {
    if (columns) yield { cells: new Map(columns.map((column, i) => [column, record[i]!])), where };
    else check((columns = record), where);
  }
}
