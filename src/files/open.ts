import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { DataError } from "../errors";
import { jsonFault } from "./json-fault";
import { kindInsteadOfText } from "./kind";

/** The most bytes that a file of settings may have. */
const largestSettings = 2 ** 26;

/**
 * Opens a file that somebody else made. A pipe, a device or a folder is refused first: opening one may wait for ever.
 * @param what the file that is expected, such as "a JSON file"
 * @throws DataError naming the path
 */
export async function openFile(path: string, what: string): Promise<FileHandle> {
  const refuse = (got: string, cause?: unknown): never => {
    throw new DataError(`${path}: expected ${what}, got ${got}`, { cause });
  };
  const failed = (cause: NodeJS.ErrnoException) =>
    refuse(cause.code === "ENOENT" ? `none${whatToCopy(path)}` : cause.message, cause);
  const found = await stat(path).catch(failed);
  if (!found.isFile()) refuse(kindOf(found));
  return open(path).catch(failed);
}

/** The kind of a place that is no file, in words. */
export const kindOf = (found: Stats) =>
  found.isDirectory() ? "a folder" : found.isFIFO() ? "a pipe" : found.isSocket() ? "a socket" : "a device";

/** A trainer's checkpoint often lacks the files that training does not change. */
const whatToCopy = (path: string) =>
  /(tokenizer|tokenizer_config)\.json$/.test(path)
    ? "; training does not change it: copy the one of the model that was trained"
    : "";

/**
 * Reads a text file in UTF-8, without its byte-order mark.
 * @throws DataError naming its path if it is missing, not a file, larger than `most` bytes or not UTF-8
 */
export async function readText(path: string, what: string, most = largestSettings): Promise<string> {
  const file = await openFile(path, what);
  try {
    const { size } = await file.stat();
    if (size > most) throw new DataError(`${path}: expected ${what} of at most ${most} bytes, got ${size}`);
    return decoded(await file.readFile(), path, what);
  } finally {
    await file.close();
  }
}

/** Other bytes would become question marks, such as the umlauts of labels in Latin-1. */
function decoded(bytes: Uint8Array, path: string, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const kind = kindInsteadOfText(bytes) ?? "bytes that are not UTF-8; save it as UTF-8";
    throw new DataError(`${path}: expected ${what}, got ${kind}`, { cause });
  }
}

/** Reads a JSON file. @throws DataError as `readText` does, and if it is not JSON */
export async function readJson(path: string, most?: number): Promise<unknown> {
  const text = await readText(path, "a JSON file", most);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const kind = kindInsteadOfText(Buffer.from(text));
    throw new DataError(`${path}: expected JSON, ${kind ? `got ${kind}` : (jsonFault(text) ?? "got other text")}`, {
      cause,
    });
  }
}
