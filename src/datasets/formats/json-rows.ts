import { readJsonElements } from "./json-elements";
import { type JsonRow, readJsonLines } from "./json-lines";
import { readText } from "./lines";

/** Yields the values of a file with one a line, or an array of them. @throws DataError for text that is not JSON */
export async function* readJsonRows(path: string): AsyncGenerator<JsonRow> {
  if (!(await isArray(path))) return yield* readJsonLines(path);
  for await (const { index, value } of readJsonElements(path)) yield { value, where: `${path}: row ${index}` };
}

async function isArray(path: string): Promise<boolean> {
  for await (const text of readText(path, "JSON")) if (text.trim() !== "") return text.trimStart().startsWith("[");
  return false;
}
