import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError } from "../errors";
import { flushBelow, flushFolder } from "./flush";
import { writingTo } from "./refusals";

/** @throws ConfigError, or another error, unless a folder is missing or empty */
export async function requireNewFolder(
  dir: string,
  Refused: new (message: string, options?: ErrorOptions) => Error = ConfigError,
): Promise<void> {
  const refuse = (got: string, cause?: unknown): never => {
    throw new Refused(`${resolve(dir)}: expected a new or empty folder, got ${got}; name another`, { cause });
  };
  const names = await readdir(dir).catch((cause: NodeJS.ErrnoException) =>
    cause.code === "ENOENT" ? [] : refuse(`what cannot be listed (${cause.code})`, cause),
  );
  if (names.length > 0) refuse(`one with ${JSON.stringify(names[0])} in it`);
}

/**
 * Makes a folder that appears complete or not at all, even if the process dies: it is written beside its place, flushed
 * and then renamed. Leftovers of dead processes are removed.
 * @param write writes the files into the folder that it receives
 * @throws ConfigError unless the folder is missing or empty, and can be written to
 */
export async function writeWholeFolder(dir: string, write: (folder: string) => Promise<void>): Promise<void> {
  const target = resolve(dir);
  await requireNewFolder(target);
  const around = await writingTo(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    await removeLeftovers(target);
    return mkdtemp(`${target}.partial-${process.pid}-`);
  });
  try {
    // A folder inside it, because mkdtemp makes one that only its owner can read.
    const folder = join(around, basename(target));
    await mkdir(folder);
    await write(folder);
    await flushBelow(folder);
    await rmdir(target).catch(() => {});
    await rename(folder, target);
    await flushFolder(dirname(target));
  } finally {
    await rm(around, { recursive: true, force: true });
  }
}

async function removeLeftovers(target: string): Promise<void> {
  const start = `${basename(target)}.partial-`;
  for (const name of await readdir(dirname(target))) {
    const pid = name.startsWith(start) && /^(\d+)-\w{6}$/.exec(name.slice(start.length))?.[1];
    if (pid && !isRunning(Number(pid))) await rm(join(dirname(target), name), { recursive: true });
  }
}

/** Whether a process of this number lives, perhaps another one than the number once meant. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM means that the process exists and belongs to another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
