import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Flushes a file to the disk, so that what names it later can be trusted. */
export async function flush(file: string): Promise<void> {
  const handle = await open(file, "r+");
  await handle.sync().finally(() => handle.close());
}

/** Flushes new names in a folder to the disk; Windows lacks such a call, and does not need it. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle
    ?.sync()
    .catch(() => {})
    .finally(() => handle.close());
}

/** Flushes everything in a folder, and the folder. */
export async function flushBelow(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) await flush(path);
    else if (entry.isDirectory()) await flushFolder(path);
  }
  await flushFolder(folder);
}
