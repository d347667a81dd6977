import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { DataError } from "../../errors";
import { type KillableProcess, startKillable } from "../../files/killable-process";
import { fileKind, kindBytes } from "../../files/kind";
import { packagePath } from "../../files/package-path";
import { unopened } from "../reading/missing";
import { most, parquetJobs } from "./parquet-program";

export interface ParquetFile {
  /** The description of the columns by Python's `datasets`, as JSON. */
  readonly huggingface: string | undefined;
  /**
   * The rows in order. The process that decodes them holds one row group, this one a batch of 16 MiB.
   * @throws DataError for rows that cannot be read
   */
  rows(): AsyncGenerator<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

/**
 * Memory of the process that decodes, and its processor time for a row group: so long, and for each MiB of the file.
 */
const limits = { memoryMb: 4096, groupMs: 30_000, mebibyteMs: 1000 };

/** A process that has closed its file waits for the next one: to start one takes a tenth of a second. */
let idle: KillableProcess | undefined;

/**
 * Opens a Parquet file. Pages may be plain, Snappy, GZIP, Brotli, LZ4 or ZSTD.
 *
 * Another process decodes it: the sizes, counts and lengths of runs that a file claims are believed by the decoder,
 * and could end or hang this one.
 * @param groupMs processor time for a row group, beside what the file's size adds
 * @throws DataError for a file that is not Parquet, for sizes that the file cannot have, and for one that takes too
 * much time or memory
 */
export async function openParquet(path: string, groupMs = limits.groupMs): Promise<ParquetFile> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry?.isFile()) {
    const got = entry === undefined ? "nothing at that path" : entry.isDirectory() ? "a folder" : "a device or a pipe";
    throw new DataError(`${path}: expected a Parquet file, got ${got}`);
  }
  await checkEnds(path, entry.size);
  const decoder = takeDecoder();
  const limitMs = Math.min(groupMs + Math.ceil((limits.mebibyteMs * entry.size) / 2 ** 20), 2 ** 31 - 1);
  /** Whether rows are left in the process. */
  let isHeld = false;
  const close = async () => {
    if (isHeld || !decoder.isAlive()) return decoder.end();
    const reply = await decoder.ask("close", {}, limitMs);
    if (idle === undefined && "value" in reply && reply.value === true) idle = decoder;
    else decoder.end();
  };
  const ask = async <T>(job: string, request: object, where: string): Promise<T> => {
    const reply = await decoder.ask(job, request, limitMs);
    if ("value" in reply) return reply.value as T;
    isHeld = false;
    if (!("error" in reply)) throw new DataError(`${where}: ${limitPassed[reply.ended](limitMs)}`);
    if (reply.isRefusal) throw new DataError(`${path}: ${reply.error}`);
    throw new DataError(`${path}: expected a readable Parquet file, got one that fails with "${reply.error}"`);
  };
  type Opened = { readonly groups: number; readonly huggingface: string | undefined };
  const { groups, huggingface } = await ask<Opened>("open", { path: resolve(path) }, path).catch(async (error) => {
    await close();
    throw error;
  });
  async function* rows() {
    for (let group = 0; group < groups; group++) {
      type Batch = { readonly batch: readonly Record<string, unknown>[]; readonly isLast: boolean };
      for (let isFirst = true, isLast = false; !isLast; isFirst = false) {
        isHeld = true;
        const read: Batch = await ask<Batch>("rows", { group, isFirst }, `${path}: row group ${group}`);
        isLast = read.isLast;
        isHeld = !isLast;
        yield* read.batch;
      }
    }
  }
  return { huggingface, rows, close };
}

/** Checks the marks at both ends of a file, which show whether it is another file, or was cut short. */
async function checkEnds(path: string, size: number): Promise<void> {
  const file = await open(path).catch(async (cause: NodeJS.ErrnoException) => {
    throw await unopened(path, "a Parquet file", cause);
  });
  try {
    const head = Buffer.alloc(Math.min(size, kindBytes));
    await file.read(head, 0, head.length, 0);
    const { name, advice } = fileKind(head);
    if (name !== "a Parquet file")
      throw new DataError(`${path}: expected a Parquet file, got ${name}${advice === undefined ? "" : `; ${advice}`}`);
    const tail = Buffer.alloc(4);
    await file.read(tail, 0, 4, size - 4);
    if (tail.toString("latin1") !== "PAR1")
      throw new DataError(`${path}: expected a Parquet file, got one that is cut short; download or copy it again`);
  } finally {
    await file.close();
  }
}

const limitPassed = {
  time: (limitMs: number) =>
    `expected to be decoded in ${Math.ceil(limitMs / 1000)} s of processor time, got a decoder that needs more`,
  memory: () =>
    `expected to be decoded in ${limits.memoryMb} MiB of memory, got a decoder that needs more; write smaller row groups`,
  other: () => "expected to be decoded, got a decoder that ended",
};

function takeDecoder(): KillableProcess {
  const kept = idle;
  idle = undefined;
  if (kept?.isAlive()) return kept;
  const args = [packagePath("hyparquet"), packagePath("hyparquet-compressors"), JSON.stringify(most)];
  return startKillable(parquetJobs, args, limits);
}
