import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";

/** A file or link, and its path from a folder above it, with "/" between names on every system. */
export interface Below {
  readonly path: string;
  readonly entry: Dirent;
}

/** Everything in a folder, and in the folders in it, except the folders themselves. Links are not followed. */
export async function below(folder: string): Promise<readonly Below[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => ({ path: relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"), entry }));
}

/** The paths of the files below a folder, from it. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  return (await below(folder)).flatMap(({ path, entry }) => (entry.isFile() ? [path] : []));
}
