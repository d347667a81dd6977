import { rename, rm, stat } from "node:fs/promises";

/**
 * Has a folder written aside and renamed, so that it is there whole or not at all. Does nothing if it is there; another process that is
 * faster has written the same.
 */
export async function writeOnce(folder: string, write: (aside: string) => Promise<void>): Promise<void> {
  const isThere = () => stat(folder).catch(() => undefined);
  if (await isThere()) return;
  const mine = `${folder}.${process.pid}`;
  await write(mine);
  await rename(mine, folder).catch(async (error: unknown) => {
    if (!(await isThere())) throw error;
    await rm(mine, { recursive: true });
  });
}
