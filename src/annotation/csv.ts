import type { ImageAnnotation } from "./rows";

type Row = ImageAnnotation<unknown>;

/**
 * Writes annotations as a table, as RFC 4180 has it: id, image, subject, the annotation, the reasons, what failed.
 *
 * An annotation that gives each of its names a number, such as a distribution, has a column for each name, as
 * `csvDataset` reads it; any other is one column of JSON.
 *
 * A text that a spreadsheet would take for a formula has an apostrophe before it, and an image's path "./", which leads
 * to the same file: models and file names can write anything.
 *
 * @param rows are read twice: once to find the columns
 */
export async function* annotationsCsv(rows: () => AsyncIterable<Row>): AsyncGenerator<string> {
  const names = await numberNames(rows());
  const ofAnswer = names ?? ["answer"];
  yield csvLine([...before, ...ofAnswer, ...after]);
  for await (const { id, image, subject, answer, think, failure } of rows()) {
    const numbers = (answer ?? {}) as Readonly<Record<string, number>>;
    const cells = names
      ? names.map((name) => (Object.hasOwn(numbers, name) ? numbers[name] : undefined))
      : [answer === null ? undefined : JSON.stringify(answer)];
    const place = image !== undefined && formula.test(image) ? `./${image}` : image;
    const [about, ...texts] = [subject, think ?? undefined, failure].map(inert);
    yield csvLine([inert(id), place, about, ...cells, ...texts]);
  }
}

const before = ["id", "image", "subject"];
const after = ["think", "failure"];

/** The names of all annotations, if every annotation is numbers by name. */
async function numberNames(rows: AsyncIterable<Row>): Promise<readonly string[] | undefined> {
  const names = new Set<string>();
  for await (const { answer } of rows) {
    if (answer === null) continue;
    if (typeof answer !== "object" || Array.isArray(answer)) return undefined;
    for (const [name, value] of Object.entries(answer as object)) {
      if (typeof value !== "number") return undefined;
      names.add(name);
    }
  }
  // A name that another column has would hide that column.
  const isClear = names.size > 0 && ![...before, ...after].some((name) => names.has(name));
  return isClear ? [...names] : undefined;
}

/** The beginnings of a formula. */
const formula = /^[=+\-@\t\r]/;

const inert = (text: string | undefined) => (text !== undefined && formula.test(text) ? `'${text}` : text);

const csvLine = (cells: readonly (string | number | undefined)[]): string =>
  `${cells.map((cell) => quoted(cell === undefined ? "" : String(cell))).join(",")}\n`;

const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
