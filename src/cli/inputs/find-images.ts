import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Finds the folder from which the images of a file start: its own, one below it or beside it.
 * @param name an image as the file names it
 */
export async function imageRoot(file: string, name: string): Promise<string | undefined> {
  const own = dirname(file);
  const near = await foldersBelow(own);
  const candidates = [own, ...near, ...(await foldersBelow(dirname(own)))];
  for (const folder of near) candidates.push(...(await foldersBelow(folder)));
  return candidates.find((folder) => existsSync(join(folder, name)));
}

const foldersBelow = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
    .map(({ name }) => join(folder, name))
    .sort();
