import { randomBytes } from "node:crypto";
import { readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../../errors";
import { once } from "../../options/once";
import { firstBeat, isBeating, startHeartbeat } from "./heartbeat";
import { isAlive, processShape, thisProcess } from "./process-identity";

/** Keeps other processes out of a run directory. */
export interface RunLock {
  /** Call it before every write. @throws CheckpointError if another process has taken the directory over */
  check(): Promise<void>;
  /** Lets other processes in. */
  release(): Promise<void>;
}

/**
 * Makes this process the only one that writes into a run directory, also among containers and machines that share it.
 * Locks of dead processes are removed.
 *
 * Each process creates its own file, under a unique name, writes a beat into it again and again, and then looks for
 * other files. For a process of the same boot and PID namespace, the system tells whether it lives. Any other file is
 * watched: a beat shows a living process, and ten periods without a beat a dead one. If two processes come at once, at
 * least the later one sees the other: both may be refused, but both never get in. A process that stood still for so
 * long (a paused container) notices that its file is gone before it writes again.
 *
 * @param beatMs the period of the beat, which others read in the file
 * @throws CheckpointError naming the process that owns the directory
 */
export async function lockRun(directory: string, beatMs = 2000): Promise<RunLock> {
  const place = await realpath(directory);
  if (held.has(place)) throw inUse(directory, thisProcess());
  held.add(place);
  const mine = join(directory, `${prefix}${randomBytes(8).toString("hex")}`);
  let stop = async (): Promise<unknown> => undefined;
  const release = async () => {
    await stop();
    // A file that cannot be removed keeps other processes out until this one ends, or until this one locks again.
    await rm(mine, { force: true }).catch(() => abandoned.add(join(place, basename(mine))));
    held.delete(place);
  };
  const check = async () => {
    const isThere = await stat(mine).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
    );
    if (isThere) return;
    throw new CheckpointError(
      `${directory}: expected the lock of this run, ${mine}, got none: this process stood still for so long that another one took it for dead and continues in its place, or somebody deleted the file; this process writes nothing more`,
    );
  };
  try {
    await writeFile(mine, `${firstBeat} ${JSON.stringify({ ...thisProcess(), beatMs })}\n`, { flag: "wx" });
    stop = startHeartbeat(mine, beatMs);
    const others = (await readdir(directory)).filter(isLock).map((name) => join(directory, name));
    await Promise.all(others.filter((file) => file !== mine).map((file) => removeDead(directory, file, place)));
    await check();
    return { check, release };
  } catch (error) {
    await release();
    throw error;
  }
}

export const isLock = (name: string): boolean => name.startsWith(prefix);

const prefix = "run.lock.";

/** Directories that this process has locked. */
const held = new Set<string>();
/** Files of released locks that could not be removed. */
const abandoned = new Set<string>();

const ownerSchema = once(() => z.object({ ...processShape(), beatMs: z.number().min(10).max(60_000) }));
type Owner = z.infer<ReturnType<typeof ownerSchema>>;

/** @throws CheckpointError for a lock whose process lives */
async function removeDead(directory: string, file: string, place: string): Promise<void> {
  const owner = await readOwner(file);
  const known = abandoned.delete(join(place, basename(file))) ? false : owner && isAlive(owner);
  try {
    if (known ?? (await isBeating(file, owner?.beatMs ?? 2000))) throw inUse(directory, owner);
    await rm(file, { force: true });
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(`${file}: expected a lock that can be read and removed: ${String(cause)}`, { cause });
  }
}

/** The process that a lock names; nothing if it is half written or damaged. */
async function readOwner(file: string): Promise<Owner | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  try {
    return ownerSchema().parse(JSON.parse(text.slice(firstBeat.length)));
  } catch {
    return undefined;
  }
}

function inUse(directory: string, owner: Pick<Owner, "pid" | "host"> | undefined): CheckpointError {
  const here = thisProcess().host;
  const who = owner ? `process ${owner.pid}${owner.host === here ? "" : ` on ${owner.host}`}` : "another process";
  return new CheckpointError(
    `${directory} is in use by the run of ${who}, which lives: let it finish, or choose another runDir`,
  );
}
