import { DataError } from "../../errors";
import { jsonScanner } from "../../files/json-fault";
import { parseJson } from "../reading/checked";
import { readLines } from "./lines";

export interface JsonRow {
  readonly value: unknown;
  /** `file:line`, or the file and the row in its array, from 0. */
  readonly where: string;
}

/**
 * Yields the values of a file with one a line; blank lines are skipped. @throws DataError for a line that is not JSON,
 * and for a file without lines
 */
export async function* readJsonLines(path: string): AsyncGenerator<JsonRow> {
  let isFirst = true;
  for await (const { text, where } of readLines(path)) {
    if (text.trim() === "") continue;
    if (isFirst) checkFirst(text, where);
    isFirst = false;
    yield { value: parseJson(text, where), where };
  }
  if (isFirst) throw new DataError(`${path}: expected at least one line of JSON, got none`);
}

/** Checks the first line, which shows whether the file has another form. */
function checkFirst(text: string, where: string): void {
  if (text.trimStart().startsWith("["))
    throw new DataError(
      `${where}: expected one object a line; this is an array: write each of its elements on a line of its own, as jq -c ".[]" does`,
    );
  const scanner = jsonScanner();
  if (text.trimStart().startsWith("{") && scanner.push(text) === undefined && scanner.end() !== undefined)
    throw new DataError(
      `${where}: expected one object a line; this one does not end on its line: write it on one, as jq -c . does, or copy the file again if it was cut short`,
    );
}
