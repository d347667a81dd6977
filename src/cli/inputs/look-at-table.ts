import { dirname, extname } from "node:path";
import { readTable } from "../../datasets/formats/table-rows";
import { hasComma, readDecimal } from "../../datasets/reading/checked";
import { pictureExtension } from "../../datasets/reading/nearby";
import { imageRoot } from "./find-images";
import { type Look, mostRows } from "./found";

const delimiters = [",", ";", "\t"];

/** A column of a table: its heading, and its cells without spaces around them. */
interface Column {
  readonly name: string;
  readonly cells: readonly string[];
}

/** Looks at a table with a column of images, and a column for each label, or one that names the label. */
export const lookAtTable: Look = async (path) => {
  for (const delimiter of /^\.jsonl?$/i.test(extname(path)) ? [","] : delimiters) {
    const columns = await readColumns(path, delimiter).catch(() => []);
    const image = columns.find(({ cells }) => cells.length > 0 && cells.every((cell) => pictureExtension.test(cell)));
    const annotations = image && annotationColumns(columns.filter((column) => column !== image));
    if (!image || !annotations) continue;
    const { labels, ...options } = annotations;
    const root = await imageRoot(path, image.cells[0]!);
    return {
      what: `a table with ${labels.length} labels`,
      task: { kind: "classification", labels },
      data: {
        format: "csv",
        path,
        ...(image.name !== "image" && { image: image.name }),
        ...(delimiter !== "," && { delimiter }),
        ...(root !== undefined && root !== dirname(path) && { root }),
        ...options,
      },
    };
  }
  return undefined;
};

/** The columns of a table's first rows. @throws DataError for a row that has more or fewer cells than the heading */
async function readColumns(path: string, delimiter: string): Promise<readonly Column[]> {
  let names: readonly string[] = [];
  const rows: ReadonlyMap<string, string>[] = [];
  for await (const { cells } of readTable(path, delimiter, (columns) => void (names = columns)))
    if (rows.push(cells) >= mostRows) break;
  return names.map((name) => ({ name, cells: rows.map((row) => row.get(name)!.trim()) }));
}

/** The columns by the likeliest delimiter. @throws DataError for a table that it does not read */
export async function likeliestColumns(path: string): Promise<readonly Column[]> {
  const [comma, ...others] = await Promise.allSettled(delimiters.map((delimiter) => readColumns(path, delimiter)));
  const found = others.find((other) => other.status === "fulfilled" && other.value.length > 1) ?? comma!;
  if (found.status === "rejected") throw found.reason;
  return found.value;
}

interface Annotations {
  readonly labels: readonly string[];
  readonly label?: string;
  readonly normalize?: true;
}

/** Headings of columns of numbers that rate no label. */
const notLabels = /^(?:id|index|no|nr|row|width|height|age|year|size|split|fold|unnamed.*|)$/i;
const labelNames = /^(?:label|class|category|target|emotion|mood|sentiment|annotation)(?:[_ ]?name)?s?$/i;

/** A share, a count, or percents. */
const rating = (cell: string) => readDecimal(cell.replace(/\s?%$/, ""));

function annotationColumns(columns: readonly Column[]): Annotations | undefined {
  const named = columns.find((column) => labelNames.test(column.name) && isNaming(column));
  if (named) return { labels: distinct(named), label: named.name };
  const ratings = columns.filter(
    ({ name, cells }) => !notLabels.test(name) && cells.every((cell) => rating(cell) >= 0),
  );
  if (ratings.length >= 2) {
    const labels = ratings.map(({ name }) => name);
    const sums = ratings[0]!.cells.map((_, row) => ratings.reduce((sum, { cells }) => sum + rating(cells[row]!), 0));
    return sums.every((sum) => Math.abs(sum - 1) < 0.011) ? { labels } : { labels, normalize: true };
  }
  const other = columns.find(isNaming);
  return other && { labels: distinct(other), label: other.name };
}

/** Whether a column names one of a few labels in each row. */
const isNaming = (column: Column) => {
  const { length } = distinct(column);
  const isText = !column.cells.some((cell) => cell === "" || hasComma(cell));
  return length >= 2 && length <= 100 && length <= Math.max(2, column.cells.length / 2) && isText;
};

const distinct = ({ cells }: Column) => [...new Set(cells)].sort();
