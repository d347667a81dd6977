import { dirname, resolve } from "node:path";
import { pipeline, Readable } from "node:stream";
import { ConfigError, DataError } from "../errors";
import { excerpt, shown } from "../shown";
import type { LabelDistribution } from "../types";
import type { ExampleStream } from "./dataset";
import { checkPath } from "./reading/arguments";
import { readDistribution } from "./reading/checked";
import { exampleStream, type Located } from "./reading/example-stream";
import { openFolder, shortList } from "./reading/folder";
import { longestLine, readText } from "./reading/lines";

/**
 * Reads a table with commas whose columns are `image` and one probability for each label, a decimal number, under a heading with their names:
 *
 *     image,joy,sadness
 *     images/1.jpg,0.9,0.1
 *
 * Images are paths relative to the file's folder, and lie in it. `id` and `subject` are read where there are such columns, the id being the
 * image's path otherwise; other columns become metadata, as text.
 *
 * @param labels the columns that hold probabilities
 * @throws ConfigError at once for a path that is no text, and labels that are no list of columns
 * @throws DataError naming file:line, the column, what was expected and what was found
 */
export function csvDataset(path: string, labels: readonly string[]): ExampleStream<LabelDistribution> {
  checkPath("csvDataset()'s path", path);
  if (!(Array.isArray(labels) && labels.length > 0 && labels.every((label) => typeof label === "string")))
    throw new ConfigError(
      `expected csvDataset()'s labels to be a list of columns, such as ["joy", "sadness"]; got ${shown(labels)}`,
    );
  return exampleStream(() => readExamples(path, labels));
}

async function* readExamples(path: string, labels: readonly string[]): AsyncGenerator<Located<LabelDistribution>> {
  const folder = openFolder(dirname(resolve(path)));
  const isLabel = new Set(labels);
  let columns: readonly string[] | undefined;
  let isEmpty = true;
  for await (const { record, where } of readRecords(path)) {
    if (columns === undefined) {
      columns = checkColumns(record, labels, where);
      continue;
    }
    isEmpty = false;
    const cells = new Map(columns.map((column, i) => [column, record[i]!]));
    const annotation = readDistribution(
      labels,
      labels.map((label) => cells.get(label)!),
      where,
    );
    const { id, image, subject, ...metadata } = Object.fromEntries(
      [...cells].filter(([column]) => !isLabel.has(column)),
    );
    if (image === "" || id === "") throw new DataError(`${where}: expected an image and an id, found an empty cell`);
    yield {
      example: {
        id: id ?? image!,
        image: await folder.image(image!, where),
        annotation,
        ...(subject !== undefined && { subject }),
        ...(Object.keys(metadata).length > 0 && { metadata }),
      },
      where,
    };
  }
  if (isEmpty) throw new DataError(`${path}: expected a heading and at least one row, found none`);
}

function checkColumns(columns: readonly string[], labels: readonly string[], where: string): readonly string[] {
  const distinct = new Set(columns);
  const missing = ["image", ...labels].filter((column) => !distinct.has(column));
  if (missing.length > 0)
    throw new DataError(`${where}: expected columns ${shortList(missing)}, found ${excerpt(columns.join(", "))}`);
  // A name that is deleted already is there for the second time.
  const twin = columns.find((column) => !distinct.delete(column));
  if (twin !== undefined) throw new DataError(`${where}: expected columns that differ, found "${twin}" twice`);
  return columns;
}

interface CsvRecord {
  readonly record: readonly string[];
  readonly where: string;
}

async function* readRecords(path: string): AsyncGenerator<CsvRecord> {
  const { parse, CsvError } = await import("csv-parse");
  const parser = parse({
    ...{ bom: true, info: true, skip_empty_lines: true },
    ...{ record_delimiter: ["\r\n", "\n"], max_record_size: longestLine },
  });
  // Its errors reach whoever reads the parser.
  pipeline(Readable.from(readText(path)), parser, () => {});
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>)
      yield { record, where: `${path}:${info.lines}` };
  } catch (cause) {
    if (cause instanceof CsvError) throw new DataError(`${path}:${parser.info.lines}: ${cause.message}`, { cause });
    throw cause;
  }
}
