import { ConfigError } from "../errors";

/** Why the system did not write: what it met in place of what was expected. */
export function refusal(cause: unknown): string {
  const { code = "" } = cause as NodeJS.ErrnoException;
  return refusals.get(code) ?? String(cause);
}

const refusals: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "a full disk"],
  ["EDQUOT", "a used-up disk quota"],
  ["EFBIG", "a file above the limit for files (ulimit -f)"],
  ["EMFILE", "too many open files (ulimit -n)"],
  ["EROFS", "a file system that is read-only"],
  ["EACCES", "no permission"],
  ["EPERM", "no permission"],
  ["EIO", "an error of the disk"],
  ["EEXIST", "a file"],
  ["ENOTDIR", "a path through a file"],
  ["EISDIR", "a folder"],
  ["ENAMETOOLONG", "a name that is too long"],
  ["ENOENT", "no such folder"],
]);

/** Whether the system refused something, rather than a fault of the program. */
export const isRefused = (cause: unknown): boolean => cause instanceof Error && "syscall" in cause && "code" in cause;

/** Writes to a place that the user named. @throws ConfigError that says why the system does not let it */
export async function writingTo<T>(place: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (!isRefused(cause)) throw cause;
    throw new ConfigError(`${place}: expected a place that can be written to, got ${refusal(cause)}; name another`, {
      cause,
    });
  }
}
