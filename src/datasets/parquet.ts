import { basename, dirname, resolve } from "node:path";
import * as z from "zod";
import type { ExampleStream } from "../dataset";
import { DataError } from "../errors";
import { callerCode } from "../options/caller-code";
import { shown } from "../options/display";
import { callback, choice, readOptions, type Settings, specOf, text } from "../options/spec";
import type { Task } from "../task";
import type { Example } from "../types";
import { imageReader } from "./formats/image-cell";
import { openParquet } from "./formats/parquet-file";
import { checkAnnotation, checked, parseJson } from "./reading/checked";
import { exampleStream, type Located } from "./reading/example-stream";
import { openFolder, shortList } from "./reading/folder";
import { checkPath, type ImagePlace, imagePlaceSpec, taskOption } from "./reading/options";

/** A row without its image. 64-bit integers that a double holds are numbers. */
export type ParquetRow = Readonly<Record<string, unknown>>;

/** Options of `parquetDataset`. */
export interface ParquetOptions<A> extends ImagePlace {
  /** Decides what an annotation is. */
  readonly task: Task<A>;
  /**
   * Makes an example's annotation and other fields from a row; the id is `<file>#<row>` unless given. `where` names the
   * row in messages.
   */
  readonly example: (
    row: ParquetRow,
    where: string,
  ) => Omit<Example<A>, "id" | "image"> & Partial<Pick<Example<A>, "id">>;
  /** The column of the images (`"image"`). */
  readonly image?: string;
  /**
   * The meaning of a text in that column: a path from the file's folder (the default), or the image itself in base64.
   */
  readonly imageText?: "path" | "base64";
}

export const parquetDatasetSpec = specOf<ParquetOptions<never>>()(() => ({
  task: taskOption().describe("The task, which decides what an annotation is"),
  example: callback("a function of a row").describe("Makes an example's annotation and other fields from a row"),
  image: text().default("image").describe("The column of the images"),
  imageText: choice(["path", "base64"]).default("path").describe("The meaning of a text in that column"),
  ...imagePlaceSpec(),
}));

/**
 * Reads Parquet files as the Hugging Face Hub and its neighbours write them. A column of images holds objects with
 * `bytes` and `path`, bytes, text, or a list of one of these. Without bytes the path starts from the file's folder, and
 * leads to a file in it.
 *
 * Another process decodes the file, one row group at a time, in at most 4 GiB of memory, and 30 s of processor time and
 * 1 s more for each MiB of the file. Images stay encoded, as they are in the file. Pages may be plain, Snappy, GZIP,
 * Brotli, LZ4 or ZSTD.
 *
 * @param files one, or the parts of a split in order
 * @throws ConfigError at once for a path that is not text, a missing task, an `example` that is not a function, an
 * unknown option
 * @throws DataError naming file, row and column, what was expected and what came
 * @example
 * const labels = await parquetLabels("train.parquet", "label");
 * const task = classification({ labels });
 * const dataset = await parquetDataset("train.parquet", {
 *   task,
 *   example: (row) => ({ annotation: oneHot(labels, labels[Number(row.label)]!) }),
 * });
 */
export function parquetDataset<A>(files: string | readonly string[], options: ParquetOptions<A>): ExampleStream<A> {
  const parts: readonly string[] = [files].flat();
  for (const file of parts) checkPath("parquetDataset", "each file", file);
  const settings = readOptions("parquetDataset", options, parquetDatasetSpec);
  return exampleStream(async function* () {
    if (parts.length === 0) throw new DataError("expected at least one Parquet file, got none");
    for (const file of parts) yield* readExamples(file, settings);
  });
}

/**
 * The names of a `ClassLabel` column, by number, from the file's own description.
 *
 * @param column its name; for one inside another, such as the categories of the Hub's detection sets, both:
 * `"objects.category"`
 * @throws DataError for a column that has none
 * @example
 * const categories = await parquetLabels("train.parquet", "objects.category");
 */
export async function parquetLabels(file: string, column: string): Promise<readonly string[]> {
  const { huggingface, close } = await openParquet(file);
  await close();
  const where = `${file}: key_value_metadata.huggingface`;
  if (huggingface === undefined)
    throw new DataError(
      `${where}: expected the names of a ClassLabel, got a file without them; write the labels yourself`,
    );
  const { features } = checked(descriptionSchema, parseJson(huggingface, where), where).info;
  const described = column.split(".").reduce<unknown>((feature, name) => childOf(feature, name), features);
  const label = classLabelSchema.safeParse(elementOf(described));
  if (!label.success)
    throw new DataError(`${where}: expected a ClassLabel with names for column "${column}", got ${shown(described)}`);
  return label.data.names;
}

const descriptionSchema = z.object({ info: z.object({ features: z.record(z.string(), z.unknown()) }) });
const classLabelSchema = z.object({ _type: z.literal("ClassLabel"), names: z.array(z.string()) });
const listSchema = z.object({ _type: z.enum(["Sequence", "List", "LargeList"]), feature: z.unknown() });

/** The element of a list, however deep and however written: `{ feature, _type: "Sequence" }`, or `[feature]`. */
function elementOf(feature: unknown): unknown {
  if (Array.isArray(feature)) return elementOf(feature[0]);
  const list = listSchema.safeParse(feature);
  return list.success ? elementOf(list.data.feature) : feature;
}

function childOf(feature: unknown, name: string): unknown {
  const struct: Readonly<Record<string, unknown>> = Object(elementOf(feature));
  return Object.hasOwn(struct, name) ? struct[name] : undefined;
}

async function* readExamples<A>(
  path: string,
  {
    task,
    example,
    image: column,
    imageText,
    root = dirname(resolve(path)),
    allowOutside,
  }: Settings<ParquetOptions<A>, typeof parquetDatasetSpec>,
): AsyncGenerator<Located<A>> {
  const folder = openFolder(root, { allowOutside });
  const imageOf = imageReader(folder, imageText);
  const { rows, close } = await openParquet(path);
  let at = 0;
  try {
    for await (const cells of rows()) {
      const { [column]: image, ...row } = cells;
      const where = `${path}: row ${at}`;
      if (!Object.hasOwn(cells, column))
        throw new DataError(
          `${path}: expected a column "${column}", got ${shortList(Object.keys(row))}; pass image: "NAME" for the column of the images`,
        );
      const source = await imageOf(image, `${where}: ${column}`);
      const made = await callerCode(`${where}: example`, () => example(plain(row) as ParquetRow, where)).catch(
        (error) => {
          // A DataError already names its place.
          throw error.cause instanceof DataError ? error.cause : error;
        },
      );
      const { id = `${basename(path)}#${at}`, ...rest } = checked(
        z.looseObject({}),
        made,
        `${where}: example`,
      ) as typeof made;
      checkAnnotation(task, rest.annotation, where);
      yield { example: { ...rest, id, image: source }, where };
      at++;
    }
  } finally {
    await close();
  }
  if (at === 0) throw new DataError(`${path}: expected at least one row, got none`);
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}
