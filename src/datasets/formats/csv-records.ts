import { pipeline, Readable } from "node:stream";
import { DataError } from "../../errors";
import { counted } from "../../options/display";
import { longestLine, readText } from "./lines";

export interface CsvRecord {
  readonly record: readonly string[];
  readonly where: string;
}

/**
 * Yields the records of a table, the heading first, without spaces around cells. Lines may end as on Windows, Unix or
 * an old Mac; records without any text are skipped.
 *
 * @throws DataError for quotes that do not pair, a record above 16 MiB, and one with more or fewer cells than the first
 */
export async function* readRecords(path: string, delimiter: string): AsyncGenerator<CsvRecord> {
  const { parse, CsvError } = await import("csv-parse");
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    skip_records_with_empty_values: true,
    relax_column_count: true,
    // A tab may be a cell's end.
    trim: delimiter !== "\t",
    delimiter,
    record_delimiter: ["\r\n", "\n", "\r"],
    max_record_size: longestLine,
  });
  // Errors of the parser reach its reader below.
  pipeline(Readable.from(readText(path)), parser, () => {});
  let cells: number | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const where = `${path}:${info.lines}`;
      cells ??= record.length;
      if (record.length !== cells) {
        const advice = record.length > cells ? `; write a cell with ${JSON.stringify(delimiter)} in it in quotes` : "";
        throw new DataError(
          `${where}: expected ${counted(cells, "cell")}, as in the heading, got ${record.length}${advice}`,
        );
      }
      yield { record, where };
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new DataError(`${path}:${parser.info.lines}: ${faults.get(cause.code) ?? cause.message}`, { cause });
  }
}

const doubled = 'write "" for a quote inside a cell, and quotes around the whole cell';

/** The parser's faults, by its codes. */
const faults: ReadonlyMap<string, string> = new Map([
  ["CSV_QUOTE_NOT_CLOSED", `expected a closing quote, got the end of the file; ${doubled}`],
  ["INVALID_OPENING_QUOTE", `expected a quote only at the beginning of a cell, got one inside; ${doubled}`],
  ["CSV_INVALID_CLOSING_QUOTE", `expected the end of the cell after its closing quote, got more text; ${doubled}`],
  [
    "CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE",
    `expected the end of the cell after its closing quote, got more text; ${doubled}`,
  ],
  [
    "CSV_MAX_RECORD_SIZE",
    `expected a record of at most ${longestLine / 2 ** 20} MiB, got a longer one; a quote may be missing`,
  ],
]);
