import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors";

export const lockName = "run.lock";

/**
 * Makes this process the only one that writes into a run directory; what a process left that has ended is taken over.
 *
 * @returns gives the directory free again
 * @throws CheckpointError naming the process that owns the directory
 */
export async function lockRun(directory: string): Promise<() => Promise<void>> {
  const file = join(directory, lockName);
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), started: performance.timeOrigin });
  if (!(await create(file, mine))) {
    const theirs = await readFile(file, "utf8").catch(() => "");
    if (isInUse(theirs)) throw inUse(directory, theirs);
    await removeStale(directory, theirs);
    if (!(await create(file, mine))) throw inUse(directory, await readFile(file, "utf8").catch(() => ""));
  }
  return () => rm(file, { force: true });
}

/** Linked, not written, into place: nobody sees half a lock. */
async function create(file: string, text: string): Promise<boolean> {
  const written = `${file}.${process.pid}.partial`;
  await writeFile(written, text);
  return link(written, file)
    .then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    )
    .finally(() => rm(written, { force: true }));
}

/** Moved away before it is looked at again: where two processes take over at once, one of them sees the other's lock. */
async function removeStale(directory: string, stale: string): Promise<void> {
  const file = join(directory, lockName);
  const aside = `${file}.${process.pid}.partial`;
  await rename(file, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  const moved = await readFile(aside, "utf8").catch(() => stale);
  if (moved !== stale) {
    await rename(aside, file);
    throw inUse(directory, moved);
  }
  await rm(aside, { force: true });
}

const ownerSchema = z.object({ pid: z.int().positive(), host: z.string(), started: z.number() });

function ownerOf(text: string) {
  try {
    return ownerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isInUse(text: string): boolean {
  const owner = ownerOf(text);
  if (owner === undefined) return false;
  // Another machine's processes cannot be asked.
  if (owner.host !== hostname()) return true;
  // In a container the process that goes on often has the number of the one that was killed.
  if (owner.pid === process.pid) return owner.started === performance.timeOrigin;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function inUse(directory: string, text: string): CheckpointError {
  const { pid, host } = ownerOf(text) ?? { pid: "unknown", host: hostname() };
  const where = host === hostname() ? "" : ` on ${host}`;
  return new CheckpointError(
    `${directory} is in use by the run of process ${pid}${where}: let it finish, or choose another runDir; if there is no such run any more, delete ${lockName}`,
  );
}
