import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { BackendError, RiseError } from "../../errors";
import { isRunning } from "../../files/whole-folder";

/** A file of the hub as its listing describes it. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 for large files; git's SHA-1 for the others. */
  readonly digest: { readonly algorithm: "sha256" | "git-sha1"; readonly hex: string };
}

/** A file's bytes from an offset on. */
export type ReadFrom = (offset: number) => Promise<AsyncIterable<Uint8Array>>;

/** Reports how many bytes of a file are loaded. */
export type OnBytes = (loaded: number) => void;

const triesWithoutProgress = 5;

/**
 * Downloads a file to `target`, complete and checked or not at all. An earlier partial download is resumed.
 * @throws BackendError when the connection breaks repeatedly, or the bytes differ from those that the hub announced
 */
export async function downloadFile(
  { path, size, digest }: HubFile,
  target: string,
  read: ReadFrom,
  onBytes: OnBytes,
): Promise<void> {
  const partial = await claimPartial(target);
  for (let tries = 0, mismatches = 0; ; ) {
    const before = await sizeOf(partial);
    try {
      const hex = await append(partial, before, size, digest.algorithm, read, onBytes);
      if (hex === digest.hex) return await rename(partial, target);
      await rm(partial);
      // The resumed part may have been damaged, so start once more from the beginning.
      if (++mismatches === 2 || before === 0)
        throw new BackendError(`${path}: expected ${digest.algorithm} ${digest.hex}, got ${hex}; what came is deleted`);
    } catch (cause) {
      if (!mayPass(cause)) throw cause;
      tries = (await sizeOf(partial)) > before ? 1 : tries + 1;
      if (tries === triesWithoutProgress)
        throw new BackendError(
          `${path}: the connection broke ${tries} times, at ${before} of ${size} bytes; the next try continues from there: ${reasonOf(cause)}`,
          { cause },
        );
      await pause(100 * 2 ** tries);
    }
  }
}

/** The reason for a failed request, as far as the error gives one. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return [message ?? String(error), cause?.code ?? cause?.message].filter(Boolean).join(": ");
}

/** Appends the missing bytes, and returns the digest of the whole, or that more came than was announced. */
async function append(
  partial: string,
  start: number,
  size: number,
  algorithm: HubFile["digest"]["algorithm"],
  read: ReadFrom,
  onBytes: OnBytes,
): Promise<string> {
  const hash = await hashOf(partial, start, size, algorithm);
  let loaded = start;
  onBytes(loaded);
  const file = await open(partial, "a");
  try {
    if (loaded < size)
      for await (const chunk of await read(loaded)) {
        if (loaded + chunk.length > size) return `more than ${size} bytes`;
        await file.writeFile(chunk);
        hash.update(chunk);
        onBytes((loaded += chunk.length));
      }
  } finally {
    await file.close();
  }
  if (loaded < size) throw new Error(`the connection ended after ${loaded} of ${size} bytes`);
  return hash.digest("hex");
}

async function hashOf(
  path: string,
  bytes: number,
  size: number,
  algorithm: HubFile["digest"]["algorithm"],
): Promise<Hash> {
  const hash = algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  if (bytes > 0) for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash;
}

/** Whether a retry may succeed: broken connections and overloaded servers; not refusals, or a full disk. */
function mayPass(error: unknown): boolean {
  if (error instanceof RiseError) return false;
  const { statusCode } = error as { statusCode?: number };
  if (statusCode !== undefined) return statusCode >= 500 || statusCode === 429 || statusCode === 408;
  // Disk errors name a system call; fetch wraps those of the network.
  return !(error instanceof Error && "syscall" in error);
}

/** This process's partial file; takes over one left by a dead process. */
async function claimPartial(target: string): Promise<string> {
  const own = `${target}.${process.pid}.incomplete`;
  for (const name of await readdir(dirname(target))) {
    const [, pid] = name.startsWith(`${basename(target)}.`) ? (/\.(\d+)\.incomplete$/.exec(name) ?? []) : [];
    if (pid === undefined || Number(pid) === process.pid || isRunning(Number(pid))) continue;
    await rename(join(dirname(target), name), own);
    break;
  }
  return own;
}

export const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
