import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { readFile, realpath, rename, stat, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { z } from "zod";
import { CheckpointError, ConfigError } from "../../errors";
import { flush, flushFolder } from "../../files/flush";
import { jsonFault } from "../../files/json-fault";
import { kindInsteadOfText } from "../../files/kind";
import { kindOf } from "../../files/open";
import { isRefused, refusal } from "../../files/refusals";
import { schemaWords } from "../../options/schema-words";

export const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/**
 * Writes a file whole or not at all; a link stays, and the file behind it is written.
 * @param text in pieces if it may exceed the length of a string
 * @throws ConfigError for a folder, a pipe or a device, which a file must not replace
 */
export async function writeAtomically(
  place: string,
  text: string | Iterable<string> | AsyncIterable<string | Uint8Array>,
): Promise<void> {
  const found = await stat(place).catch(() => undefined);
  if (found && !found.isFile())
    throw new ConfigError(`${place}: expected a file to write, got ${kindOf(found)}; name another`);
  const file = found ? await realpath(place) : place;
  await writeFile(`${file}.partial`, text);
  await flush(`${file}.partial`);
  await rename(`${file}.partial`, file);
  await flushFolder(dirname(file));
}

/** Shortens a file to a length; a missing file is created. */
export async function cutOff(file: string, bytes: number): Promise<void> {
  if ((await sizeOf(file)) === undefined) await writeFile(file, "");
  else await truncate(file, bytes);
}

/** Keeps a text file's first lines. */
export async function keepLines(file: string, count: number): Promise<void> {
  const kept = (await readWholeLines(file)).slice(0, count);
  await writeAtomically(file, kept.map((line) => `${line}\n`).join(""));
}

/** Reads the whole lines of a file; a missing file has none. */
export async function readWholeLines(file: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { text } of wholeRows(file)) lines.push(text);
  return lines;
}

/** The bytes of a row in its file, its line end included. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

const newline = 10;

/**
 * Yields the whole rows of a file, and where they lie. A half-written last row, which a killed process leaves, is
 * skipped; a missing file has no rows.
 * @throws CheckpointError for a file that exists but cannot be read
 */
export async function* wholeRows(file: string): AsyncGenerator<{ readonly text: string; readonly place: Place }> {
  if ((await sizeOf(file)) === undefined) return;
  // Pieces of a row that has not ended yet. They are joined once, so that a long row costs linear time.
  let pieces: Buffer[] = [];
  let start = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
        const line = Buffer.concat([...pieces, chunk.subarray(from, to)]);
        const end = start + line.length + 1;
        yield { text: line.toString("utf8"), place: { start, end } };
        [pieces, start, from] = [[], end, to + 1];
      }
      pieces.push(chunk.subarray(from));
    }
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new CheckpointError(`${file}: expected readable rows of an earlier run: ${String(cause)}`, { cause });
  }
}

/** Parses a row. @throws CheckpointError with its place, for a line that is not JSON or does not fit the schema */
export function parseRow<T>(line: string, schema: z.ZodType<T>, where: string): T {
  let value: unknown;
  try {
    value = parseShallow(line);
  } catch (cause) {
    throw new CheckpointError(`${where}: expected a line of JSON, got ${line.slice(0, 60)}`, { cause });
  }
  const result = schema.safeParse(value, { error: schemaWords });
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new CheckpointError(`${where}: ${problems.join("; ")}`);
}

/** A file's length in bytes; `undefined` if it is missing. */
export const sizeOf = (file: string): Promise<number | undefined> =>
  stat(file).then(
    ({ size }) => size,
    () => undefined,
  );

/** The most levels that JSON of a run may have, since functions that walk it are recursive. */
const mostLevels = 1000;

/** Parses JSON. @throws SyntaxError for text that is not JSON, or is nested deeper than a run ever writes */
export function parseShallow(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const isNested = (child: unknown) => typeof child === "object" && child !== null;
  for (let [level, depth] = [[value].filter(isNested), 1]; level.length > 0; depth++) {
    if (depth > mostLevels) throw new SyntaxError(`expected at most ${mostLevels} levels of nesting, got more`);
    level = level.flatMap((node) => Object.values(node as object).filter(isNested));
  }
  return value;
}

export async function readJson(file: string): Promise<unknown> {
  const expected = `${file}: expected readable JSON of an earlier run`;
  const bytes = await readFile(file).catch((cause: Error) => {
    const got = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : cause.message;
    throw new CheckpointError(`${expected}, got ${got}`, { cause });
  });
  try {
    return parseShallow(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const kind = kindInsteadOfText(bytes) ?? (isUtf8(bytes) ? undefined : "bytes that are not UTF-8");
    const fault = kind ? `got ${kind}` : (jsonFault(bytes.toString()) ?? (cause as Error).message);
    throw new CheckpointError(`${expected}, ${fault}`, { cause });
  }
}

/**
 * Does something that writes. If the system refuses, such as for a full disk, the error says what is intact.
 * @param intact describes the state from which the run can be resumed
 */
export async function writing<T>(what: string, intact: () => string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (!isRefused(cause)) throw cause;
    throw new CheckpointError(
      `${what} could not be written, because of ${refusal(cause)}; ${intact()}. Mend that, and resume with resume: true`,
      { cause },
    );
  }
}
