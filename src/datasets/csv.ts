import { dirname, resolve } from "node:path";
import type { ExampleStream, Omission } from "../dataset";
import { DataError } from "../errors";
import { excerpt, shown } from "../options/display";
import { choice, flag, list, readArgument, readOptions, type Settings, specOf, text } from "../options/spec";
import type { LabelDistribution } from "../types";
import { readTable } from "./formats/table-rows";
import { readDistribution, readVotes } from "./reading/checked";
import { exampleStream, type Located, refuseOmission } from "./reading/example-stream";
import { openFolder, shortList } from "./reading/folder";
import { checkPath, type ImagePlace, imagePlaceSpec, omissionOption } from "./reading/options";

/** Options of `csvDataset`. */
export interface CsvOptions extends ImagePlace {
  /** The column of the images (`"image"`). */
  readonly image?: string;
  /** The column of the ids (`"id"`, which may be missing). */
  readonly id?: string;
  /** The column of the subjects (`"subject"`, which may be missing). */
  readonly subject?: string;
  /** The column that names one of `labels` in each row, if they are not columns of numbers. */
  readonly label?: string;
  /** The character between cells (`","`). */
  readonly delimiter?: "," | ";" | "\t";
  /**
   * Whether numbers are counts, such as votes, which are divided by their sum over the labels (false: they are
   * probabilities).
   */
  readonly normalize?: boolean;
  /**
   * Receives rows that are not an example: without an image or an id, or without an annotation or a vote for a label.
   * Without it, such a row is an error.
   */
  readonly onOmission?: (omission: Omission) => void;
}

const delimiters = [",", ";", "\t"] as const;

export const csvDatasetSpec = specOf<CsvOptions>()(() => ({
  image: text().default("image").describe("The column of the images"),
  id: text().optional().describe('The column of the ids; "id" without it, which may be missing'),
  subject: text().optional().describe('The column of what is asked about; "subject" without it, which may be missing'),
  ...imagePlaceSpec(),
  label: text().optional().describe("The column that names a row's label, where labels are not columns of numbers"),
  delimiter: choice(delimiters).default(",").describe("The character between cells"),
  normalize: flag().default(false).describe("Whether numbers are counts, which are divided by their sum"),
  onOmission: omissionOption(),
}));

const labelList = list<readonly string[]>(
  'a list of columns, such as ["joy", "sadness"]',
  (label) => typeof label === "string",
)
  .refine((labels) => labels.length > 0, "a list of at least one column")
  .refine((labels) => new Set(labels).size === labels.length, "a list of columns that differ");

/**
 * Reads a table with a heading, whose columns are `image` and, for each label, its probability as a decimal number:
 *
 *     image,joy,sadness
 *     images/1.jpg,0.9,0.1
 *
 * With `label`, one column names the label instead: `image,label`, `images/1.jpg,joy`; it is `metadata.category` too,
 * unless a column has that name.
 * A `.jsonl` or `.json` file has an object for each row: `{"file_name": "1.jpg", "label": "joy"}`.
 *
 * Images are paths relative to the file's folder, and lie in it. The columns `id` and `subject` may be missing; the id
 * is then the image's path. Other columns with a name become metadata, as text. Rows without any text are skipped.
 *
 * @param labels the columns that hold probabilities, or votes; with `label`, the names that its column may hold
 * @throws ConfigError at once for a path that is not text, labels that are not a list of columns, and an unknown option
 * @throws DataError naming file:line, the column, what was expected and what came
 * @example
 * const labels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"];
 * const dataset = await csvDataset("fer2013new.csv", labels, {
 *   image: "Image name", root: "FER2013Train", normalize: true, onOmission: () => {},
 * });
 */
export function csvDataset(
  path: string,
  labels: readonly string[],
  options: CsvOptions = {},
): ExampleStream<LabelDistribution> {
  checkPath("csvDataset", "path", path);
  readArgument("csvDataset", "labels", labels, labelList);
  const settings = readOptions("csvDataset", options, csvDatasetSpec);
  return exampleStream(() => readExamples(path, labels, settings));
}

async function* readExamples(
  path: string,
  labels: readonly string[],
  options: Settings<CsvOptions, typeof csvDatasetSpec>,
): AsyncGenerator<Located<LabelDistribution>> {
  const { delimiter, onOmission = refuseOmission, image: imageColumn } = options;
  const { id: idColumn = "id", subject: subjectColumn = "subject" } = options;
  const folder = openFolder(options.root ?? dirname(resolve(path)), options);
  const columnsOfLabels = options.label === undefined ? labels : [options.label];
  const isRead = new Set([...columnsOfLabels, imageColumn, idColumn, subjectColumn]);
  // A column that the caller names must exist.
  const needed = [
    imageColumn,
    ...[options.id, options.subject].filter((column) => column !== undefined),
    ...columnsOfLabels,
  ];
  const check = (columns: readonly string[], where: string) => checkColumns(columns, needed, columnsOfLabels, where);
  let isEmpty = true;
  for await (const { cells, where } of readTable(path, delimiter, check)) {
    isEmpty = false;
    const written = columnsOfLabels.map((column) => cells.get(column)!);
    const [image, id, subject] = [cells.get(imageColumn)!, cells.get(idColumn), cells.get(subjectColumn)];
    if (image === "" || id === "") {
      onOmission({ where, reason: "expected an image and an id, got an empty cell" });
      continue;
    }
    if (written.every((cell) => cell.trim() === "")) {
      onOmission({ where, reason: `no annotation: empty cells for ${shortList(columnsOfLabels)}` });
      continue;
    }
    const annotation = annotationOf(written, labels, options, where);
    if (annotation === undefined) {
      onOmission({ where, reason: `no votes for ${shortList(labels)}` });
      continue;
    }
    const others = [...cells].filter(([column]) => column !== "" && !isRead.has(column));
    const category = options.label === undefined ? {} : { category: written[0]!.trim() };
    const metadata = { ...category, ...Object.fromEntries(others) };
    yield {
      example: {
        id: id ?? image,
        image: await folder.image(image, where),
        annotation,
        ...(subject && { subject }),
        ...(Object.keys(metadata).length > 0 && { metadata }),
      },
      where,
    };
  }
  if (isEmpty) throw new DataError(`${path}: expected a heading and at least one row, got none`);
}

const countsAdvice = "; pass normalize: true for counts of votes, or percents";

/** The annotation in a row; `undefined` without a vote. */
function annotationOf(
  written: readonly string[],
  labels: readonly string[],
  { label, normalize }: Settings<CsvOptions, typeof csvDatasetSpec>,
  where: string,
): LabelDistribution | undefined {
  if (label === undefined)
    return normalize ? readVotes(labels, written, where) : readDistribution(labels, written, where, countsAdvice);
  const name = written[0]!.trim();
  if (!labels.includes(name))
    throw new DataError(`${where}: expected column ${label} to be one of ${shortList(labels)}, got ${shown(name)}`);
  return Object.fromEntries(labels.map((other) => [other, other === name ? 1 : 0]));
}

/** @param labels the last of the needed columns */
function checkColumns(
  columns: readonly string[],
  needed: readonly string[],
  labels: readonly string[],
  where: string,
): void {
  const distinct = new Set(columns);
  const missing = needed.filter((column) => !distinct.has(column));
  if (missing.length > 0) {
    const lacks = { image: missing.includes(needed[0]!), labels: labels.every((label) => missing.includes(label)) };
    throw new DataError(
      `${where}: expected columns ${shortList(missing)}, got ${excerpt(columns.join(", "))}${adviceFor(columns, lacks)}`,
    );
  }
  // A name that cannot be deleted again occurs twice; Excel leaves columns without a name.
  const twin = columns.find((column) => column !== "" && !distinct.delete(column));
  if (twin !== undefined) throw new DataError(`${where}: expected columns that differ, got "${twin}" twice`);
}

/** The end of a message about missing columns: the option that names them. */
function adviceFor(columns: readonly string[], lacks: { readonly image: boolean; readonly labels: boolean }): string {
  if (/^sep=/i.test(columns[0]!)) return "; remove the first line, which Excel alone understands";
  const other = columns.length === 1 ? delimiters.find((mark) => columns[0]!.includes(mark)) : undefined;
  if (other) return `; pass delimiter: ${JSON.stringify(other)}`;
  const named = (option: string, names: RegExp) => {
    const column = columns.find((name) => name !== "" && names.test(name));
    return column === undefined ? [] : [`${option}: ${JSON.stringify(column)}`];
  };
  const options = [
    ...(lacks.image
      ? named("image", /^(?:image|picture|photo|img|file)?[_ ]?(?:file|name|filename|path|image)?$/i)
      : []),
    ...(lacks.labels ? named("label", /^(?:label|class|category|emotion|target|y)$/i) : []),
  ];
  return options.length > 0 ? `; pass ${options.join(", ")}` : "";
}
