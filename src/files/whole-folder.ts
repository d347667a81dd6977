import { mkdir, mkdtemp, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError } from "../errors";

/**
 * Makes a folder that appears complete or not at all, even if the process dies: it is written beside its place, and
 * then renamed.
 * @param write writes the files into the folder that it receives, and flushes them
 * @throws ConfigError for a path that exists already; only an empty folder is replaced
 */
export async function writeWholeFolder(dir: string, write: (folder: string) => Promise<void>): Promise<void> {
  const target = resolve(dir);
  const found = await readdir(target).catch(({ code }: NodeJS.ErrnoException) => (code === "ENOENT" ? [] : ["a file"]));
  if (found.length > 0)
    throw new ConfigError(
      `${target}: expected a folder that is not there yet, got ${JSON.stringify(found[0])}; name another`,
    );
  await mkdir(dirname(target), { recursive: true });
  const around = await mkdtemp(`${target}.partial-`);
  try {
    // A folder inside it, because mkdtemp makes one that only its owner can read.
    const folder = join(around, basename(target));
    await mkdir(folder);
    await write(folder);
    for (const entry of await readdir(folder, { withFileTypes: true }))
      if (entry.isDirectory()) await flushFolder(join(folder, entry.name));
    await flushFolder(folder);
    await rmdir(target).catch(() => {});
    await rename(folder, target);
    await flushFolder(dirname(target));
  } finally {
    await rm(around, { recursive: true, force: true });
  }
}

/** Flushes a folder's names to the disk, except on Windows, which cannot open a folder. */
async function flushFolder(path: string): Promise<void> {
  const handle = await open(path).catch(() => undefined);
  await handle?.sync().finally(() => handle.close());
}
