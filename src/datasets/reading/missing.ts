import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "../../errors";
import { nearest } from "../../options/did-you-mean";

/**
 * The error of a file or folder that cannot be opened: where it was looked for, and the one that may be meant.
 * @param expected such as "a readable file"
 */
export async function unopened(path: string, expected: string, cause: NodeJS.ErrnoException): Promise<DataError> {
  const got = gotWords.get(cause.code ?? "") ?? cause.message;
  const place = cause.code === "ENOENT" ? ` at ${resolve(path)}` : "";
  const hint = cause.code === "ENOENT" ? await meant(path) : "";
  return new DataError(`${path}: expected ${expected}, got ${got}${place}${hint}`, { cause });
}

const gotWords: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "nothing"],
  ["ENOTDIR", "a file"],
  ["EISDIR", "a folder"],
  ["EACCES", "one without permission to read it (EACCES)"],
  ["EPERM", "one without permission to read it (EPERM)"],
]);

/** The end of a message about a path that leads nowhere. */
async function meant(path: string): Promise<string> {
  if (path.startsWith("file:")) return "; write the path without file:, or fileURLToPath(url)";
  if (/^~[\\/]/.test(path)) return `; only shells read ~: write ${join(homedir(), path.slice(2))}`;
  const folder = dirname(path);
  const near = nearest(basename(path), await readdir(folder).catch(() => []));
  return near === undefined ? "" : `; did you mean ${folder === "." ? near : join(folder, near)}?`;
}
