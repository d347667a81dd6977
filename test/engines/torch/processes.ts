import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A process of a worker. */
export interface WorkerProcess {
  readonly pid: number;
  readonly rank: number;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

/** The ranks of rise_torch.py below a process; torchrun itself is no rank. */
export function ranksBelow(parent: number = process.pid): WorkerProcess[] {
  return descendants(parent)
    .filter((pid) => read(`/proc/${pid}/cmdline`).split("\0")[1]?.endsWith("rise_torch.py"))
    .concat(descendants(parent).filter((pid) => read(`/proc/${pid}/cmdline`).split("\0")[2]?.endsWith("rise_torch.py")))
    .map((pid) => ({ pid, rank: Number(/(?:^|\0)RANK=(\d+)/.exec(read(`/proc/${pid}/environ`))?.[1] ?? 0) }))
    .sort((a, b) => a.rank - b.rank);
}

/** All processes below one. */
export function descendants(parent: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => [Number(pid), Number(/\) \S (\d+)/.exec(read(`/proc/${pid}/stat`))?.[1])] as const);
  const below = (of: number): number[] =>
    parents.filter(([, ppid]) => ppid === of).flatMap(([pid]) => [pid, ...below(pid)]);
  return below(parent);
}

/** Whether a process runs; one that has ended and was not waited for does not. */
export const isRunning = (pid: number): boolean => /\) [^ZX] /.test(read(`/proc/${pid}/stat`));

/** Waits until none of these runs. @returns milliseconds, or infinity after `limitMs` */
export async function untilGone(pids: readonly number[], limitMs: number): Promise<number> {
  const started = performance.now();
  while (pids.some(isRunning)) {
    if (performance.now() - started > limitMs) return Number.POSITIVE_INFINITY;
    await new Promise((done) => setTimeout(done, 50));
  }
  return performance.now() - started;
}

/** Limits a process's memory or the size of the files that it writes, as util-linux's prlimit does. */
export const limit = (pid: number, resource: "as" | "fsize", bytes: number | "unlimited"): void => {
  execFileSync("prlimit", ["--pid", String(pid), `--${resource}=${bytes}:unlimited`]);
};

export const memoryOf = (pid: number): number =>
  1024 * Number(/VmSize:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
