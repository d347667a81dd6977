import { stat } from "node:fs/promises";
import type { AsyncBuffer, Compressors, FileMetaData } from "hyparquet";
import { DataError } from "../../errors";

export interface ParquetFile {
  readonly metadata: FileMetaData;
  /** @throws DataError for rows that cannot be read */
  rows(from: number, to: number): Promise<readonly Record<string, unknown>[]>;
}

/** Bytes of a page once decompressed, and rows of a row group: a writer's defaults are a thousandth of it. */
const most = { pageBytes: 2 ** 29, groupRows: 2 ** 24 };

/**
 * Opens a Parquet file. Pages may be plain, Snappy, GZIP, Brotli, LZ4 or ZSTD.
 * @throws DataError for a file that is not Parquet, and for sizes that the file cannot have
 */
export async function openParquet(path: string): Promise<ParquetFile> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const entry = await stat(path).catch(() => undefined);
  if (!entry?.isFile()) {
    const got = entry === undefined ? "nothing at that path" : entry.isDirectory() ? "a folder" : "a device or a pipe";
    throw new DataError(`${path}: expected a Parquet file, got ${got}`);
  }
  const refuse = (cause: unknown): never => {
    if (cause instanceof DataError) throw cause;
    const got = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`${path}: expected a readable Parquet file, got one that fails with "${got}"`, { cause });
  };
  const file = bounded(await asyncBufferFromFile(path).catch(refuse), path);
  const metadata = await contained(file, (source) => parquetMetadataAsync(source)).catch(refuse);
  for (const [i, { num_rows }] of metadata.row_groups.entries())
    if (!(num_rows >= 0 && num_rows <= most.groupRows))
      throw new DataError(`${path}: row group ${i}: expected 0 to ${most.groupRows} rows, got ${num_rows}`);
  const compressors = await loadCompressors(path);
  return {
    metadata,
    rows: (rowStart, rowEnd) =>
      // Bytes that nobody calls text belong to an image.
      contained(file, (source) =>
        parquetReadObjects({ file: source, metadata, compressors, rowStart, rowEnd, utf8: false }),
      ).catch(refuse),
  };
}

/** Refuses places that the file does not have, before memory is set aside for them. */
function bounded({ byteLength, slice }: AsyncBuffer, path: string): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const from = start < 0 ? byteLength + start : start;
      if (!(from >= 0 && end >= from && end <= byteLength))
        throw new DataError(`${path}: expected places inside its ${byteLength} bytes, got ${start} to ${end}`);
      return slice(from, end);
    },
  };
}

/**
 * The one outcome of a call that reads a file. hyparquet starts all columns of a row group; when it refuses one of
 * them, nobody listens to the others, and an error there would end the process. So bytes come, or they never come: a
 * failure to read them is the call's, and after any failure no more are given.
 */
function contained<T>(file: AsyncBuffer, call: (source: AsyncBuffer) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const fail = (error: unknown) => {
      isOver = true;
      reject(error);
    };
    const slice = (start: number, end?: number) =>
      new Promise<ArrayBuffer>((give) => {
        // A call that fails while it starts its columns has said so before the next turn of the event loop.
        const later = (bytes: ArrayBuffer) => setImmediate(() => isOver || give(bytes));
        Promise.resolve(file.slice(start, end)).then(later, fail);
      });
    call({ byteLength: file.byteLength, slice }).then(resolve, fail);
  });
}

async function loadCompressors(path: string): Promise<Compressors> {
  const { compressors } = await import("hyparquet-compressors");
  return Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]) => [
      codec,
      (input: Uint8Array, outputLength: number) => {
        if (!(outputLength >= 0 && outputLength <= most.pageBytes))
          throw new DataError(`${path}: expected pages of at most ${most.pageBytes} bytes, got ${outputLength}`);
        const output = decompress!(input, outputLength);
        if (output.length !== outputLength)
          throw new DataError(`${path}: expected a ${codec} page of ${outputLength} bytes, got ${output.length}`);
        return output;
      },
    ]),
  );
}
