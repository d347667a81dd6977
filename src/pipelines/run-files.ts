import { open, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { CheckpointError } from "../errors";

/** Rows as JSON lines. */
export const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

export async function writeAtomically(file: string, text: string): Promise<void> {
  await writeFile(`${file}.partial`, text);
  await flush(`${file}.partial`);
  await rename(`${file}.partial`, file);
}

/** Through to the disk, so that a checkpoint that exists is one that can be trusted. */
export async function flush(file: string): Promise<void> {
  const handle = await open(file, "r+");
  await handle.sync().finally(() => handle.close());
}

/** Shortens a file to a length; one that is not there is made. */
export async function cutOff(file: string, bytes: number): Promise<void> {
  if ((await sizeOf(file)) === undefined) await writeFile(file, "");
  else await truncate(file, bytes);
}

/** Keeps a text file's first lines. */
export async function keepLines(file: string, count: number): Promise<void> {
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n").slice(0, count);
  await writeAtomically(file, lines.map((line) => `${line}\n`).join(""));
}

/** Bytes, or `undefined` where there is no such file. */
export const sizeOf = (file: string): Promise<number | undefined> =>
  stat(file).then(
    ({ size }) => size,
    () => undefined,
  );

export async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new CheckpointError(`${file}: expected readable JSON of an earlier run: ${String(cause)}`, { cause });
  }
}

/**
 * Does something that writes, and says what is left when the system refuses: a full disk, above all.
 * @param intact what can be gone on from
 */
export async function writing<T>(what: string, intact: () => string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined || !(code in refusals)) throw cause;
    throw new CheckpointError(
      `${what} could not be written, because ${refusals[code]}; ${intact()}. Mend that, and go on with resume: true`,
      { cause },
    );
  }
}

const refusals: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission was denied",
  EIO: "the disk reported an error",
};
