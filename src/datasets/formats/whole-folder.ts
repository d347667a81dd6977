import { mkdir, mkdtemp, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError } from "../../errors";
import { shown } from "../../options/display";

/**
 * Makes a folder that is there whole or not at all, whenever the process dies: it is written beside its place, and then
 * moved there.
 * @param write puts the files, which it flushes, into the folder it is given
 * @throws ConfigError for a path at which there is something already; only an empty folder is replaced
 */
export async function writeWholeFolder(dir: string, write: (folder: string) => Promise<void>): Promise<void> {
  const target = resolve(dir);
  const found = await readdir(target).catch(({ code }: NodeJS.ErrnoException) => (code === "ENOENT" ? [] : ["a file"]));
  if (found.length > 0)
    throw new ConfigError(`${target}: expected a folder that is not there yet, found ${shown(found[0])}; name another`);
  await mkdir(dirname(target), { recursive: true });
  const around = await mkdtemp(`${target}.partial-`);
  try {
    // Within it, because the outer one is for its maker's eyes alone.
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

/** Names through to the disk, where the system can: Windows opens no folder. */
async function flushFolder(path: string): Promise<void> {
  const handle = await open(path).catch(() => undefined);
  await handle?.sync().finally(() => handle.close());
}
