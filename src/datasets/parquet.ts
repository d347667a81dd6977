import { basename, dirname, resolve } from "node:path";
import type { FileMetaData } from "hyparquet";
import { z } from "zod";
import { ConfigError, DataError } from "../errors";
import { shown } from "../shown";
import type { Task } from "../tasks/task";
import type { Example, ImageSource } from "../types";
import type { ExampleStream } from "./dataset";
import { checkPath, checkTask } from "./reading/arguments";
import { checkAnnotation, checked, parseJson } from "./reading/checked";
import { exampleStream, type Located } from "./reading/example-stream";
import { type Folder, openFolder } from "./reading/folder";

/** A row without its picture. 64-bit integers that a double holds are numbers. */
export type ParquetRow = Readonly<Record<string, unknown>>;

export interface ParquetOptions<A> {
  /** Decides what an annotation is. */
  readonly task: Task<A>;
  /** What of a row is the annotation, and what else an example has; the id is `<file>#<row>` unless given. */
  readonly example: (row: ParquetRow) => Omit<Example<A>, "id" | "image"> & Partial<Pick<Example<A>, "id">>;
  /** The column of the pictures (`"image"`). */
  readonly image?: string;
}

/**
 * Reads Parquet files as the Hugging Face Hub has them: the picture is a struct `{ bytes, path }`, or bytes.
 *
 * One row group is in memory at a time. Pictures stay encoded, as they are in the file; where there are no bytes, the path is one from the
 * file's folder, and lies in it. Codecs: none and Snappy, which is what the Hub writes.
 *
 * @param files one, or the parts of a split in order
 * @throws ConfigError at once for a path that is no text, for no task, and an `example` that is no function
 * @throws DataError naming file and row, what was expected and what was found
 */
export function parquetDataset<A>(files: string | readonly string[], options: ParquetOptions<A>): ExampleStream<A> {
  const parts: readonly string[] = [files].flat();
  for (const file of parts) checkPath("a file of parquetDataset()", file);
  checkTask("parquetDataset()'s task", options?.task);
  if (typeof options.example !== "function")
    throw new ConfigError(
      `expected parquetDataset()'s example to be a function of a row, got ${shown(options.example)}`,
    );
  return exampleStream(async function* () {
    if (parts.length === 0) throw new DataError("expected at least one Parquet file, found none");
    for (const file of parts) yield* readExamples(file, options);
  });
}

/**
 * The names of a `ClassLabel` column, by number, from the file's own description.
 * @throws DataError for a column that has none
 */
export async function parquetLabels(file: string, column: string): Promise<readonly string[]> {
  const { metadata } = await openParquet(file);
  const where = `${file}: key_value_metadata.huggingface`;
  const entry = metadata.key_value_metadata?.find(({ key }) => key === "huggingface");
  const { features } = checked(descriptionSchema, parseJson(entry?.value ?? "", where), where).info;
  const described = Object.hasOwn(features, column) ? features[column] : undefined;
  const names = classLabelSchema.safeParse(described);
  if (!names.success)
    throw new DataError(`${where}: expected names of a ClassLabel for column "${column}", found ${shown(described)}`);
  return names.data.names;
}

const descriptionSchema = z.object({ info: z.object({ features: z.record(z.string(), z.unknown()) }) });
const classLabelSchema = z.object({ _type: z.literal("ClassLabel"), names: z.array(z.string()) });

async function* readExamples<A>(
  path: string,
  { task, example, image: column = "image" }: ParquetOptions<A>,
): AsyncGenerator<Located<A>> {
  const { metadata, read } = await openParquet(path);
  const folder = openFolder(dirname(resolve(path)));
  let at = 0;
  for (const { num_rows } of metadata.row_groups) {
    const end = at + Number(num_rows);
    for (const { [column]: picture, ...row } of await read(at, end)) {
      const where = `${path}: row ${at}`;
      const image = await imageOf(picture, folder, `${where}: ${column}`);
      const { id = `${basename(path)}#${at}`, ...rest } = example(plain(row) as ParquetRow);
      checkAnnotation(task, rest.annotation, where);
      yield { example: { ...rest, id, image }, where };
      at++;
    }
  }
  if (at === 0) throw new DataError(`${path}: expected at least one row, found none`);
}

interface Parquet {
  readonly metadata: FileMetaData;
  read(from: number, to: number): Promise<Record<string, unknown>[]>;
}

async function openParquet(path: string): Promise<Parquet> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const refuse = (cause: unknown): never => {
    throw new DataError(`${path}: expected a readable Parquet file: ${String(cause)}`, { cause });
  };
  const file = await asyncBufferFromFile(path).catch(refuse);
  const metadata = await parquetMetadataAsync(file).catch(refuse);
  return {
    metadata,
    // Bytes that nobody calls text are a picture's.
    read: (rowStart, rowEnd) => parquetReadObjects({ file, metadata, rowStart, rowEnd, utf8: false }).catch(refuse),
  };
}

async function imageOf(picture: unknown, folder: Folder, where: string): Promise<ImageSource> {
  if (picture instanceof Uint8Array) return copied(picture);
  const { bytes, path } = checked(pictureSchema, picture, where);
  if (bytes) return copied(bytes);
  if (path) return folder.image(path, where);
  throw new DataError(`${where}: expected bytes or a path, found neither`);
}

const pictureSchema = z.object({ bytes: z.instanceof(Uint8Array).nullish(), path: z.string().nullish() });

/** So that a picture that is kept does not keep the page it was read from. */
const copied = (bytes: Uint8Array) => new Uint8Array(bytes);

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}
