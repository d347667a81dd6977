import { readFileSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { CheckpointError } from "../errors";

/**
 * Makes this process the only one that writes into a run directory; what processes left that have ended is removed.
 *
 * Each process puts up a file of its own, whose name says who it is, and then looks for others. Of two that come at once, at least the
 * later one sees the other: never do both get in, though both may be refused.
 *
 * @returns gives the directory free again
 * @throws CheckpointError naming the process that owns the directory
 */
export async function lockRun(directory: string): Promise<() => Promise<void>> {
  const mine = nameOf(self());
  const release = () => rm(join(directory, mine), { force: true });
  await writeFile(join(directory, mine), "", { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "EEXIST" ? inUse(directory, self()) : error;
  });
  try {
    for (const name of await readdir(directory)) {
      const owner = name === mine ? undefined : ownerOf(name);
      if (!owner) continue;
      if (isAlive(owner)) throw inUse(directory, owner);
      await rm(join(directory, name), { force: true });
    }
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

export const isLock = (name: string): boolean => ownerOf(name) !== undefined;

interface Owner {
  readonly pid: number;
  /** When the process started, because a number is given to another process again: `startOf` it; elsewhere than on Linux, ms since 1970. */
  readonly started: number;
  readonly host: string;
}

const self = (): Owner => ({
  pid: process.pid,
  started: startOf(process.pid) ?? Math.round(performance.timeOrigin),
  host: hostname(),
});

/** When a process started, in clock ticks since the machine did, which setting a clock does not change; `undefined` where /proc does not tell. */
export function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The 22nd field; the second, the program's name, may hold blanks and brackets.
    const ticks = Number.parseInt(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!, 10);
    return Number.isNaN(ticks) ? undefined : ticks;
  } catch {
    return undefined;
  }
}

const nameOf = ({ pid, started, host }: Owner) => `run.lock.${pid}.${started}.${encodeURIComponent(host)}`;

function ownerOf(name: string): Owner | undefined {
  const [, pid, started, host] = /^run\.lock\.(\d+)\.(\d+)\.(.+)$/.exec(name) ?? [];
  return host === undefined
    ? undefined
    : { pid: Number(pid), started: Number(started), host: decodeURIComponent(host) };
}

function isAlive({ pid, started, host }: Owner): boolean {
  // Another machine's processes cannot be asked.
  if (host !== hostname()) return true;
  // In a container, who goes on often has the number of the process that was killed.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const start = startOf(pid);
  return start === undefined || start === started;
}

function inUse(directory: string, owner: Owner): CheckpointError {
  const where = owner.host === hostname() ? "" : ` on ${owner.host}`;
  return new CheckpointError(
    `${directory} is in use by the run of process ${owner.pid}${where}: let it finish, or choose another runDir; if there is no such run any more, delete ${nameOf(owner)}`,
  );
}
