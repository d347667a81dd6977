import { readFileSync, readlinkSync } from "node:fs";
import { hostname, uptime } from "node:os";
import * as z from "zod";

/** The identity of a process, as its lock records it. */
export const processShape = () => ({
  // 0 and below name groups of processes.
  pid: z.int32().positive(),
  /**
   * The start of the process, because the system reuses numbers: in clock ticks since boot, which setting the clock
   * does not change.
   */
  started: z.int().nonnegative().exactOptional(),
  host: z.string(),
  /** Boot and PID namespace, within which a number means one process. Absent if it is not known. */
  space: z.string().exactOptional(),
});
export type ProcessIdentity = z.infer<z.ZodObject<ReturnType<typeof processShape>>>;

export function thisProcess(): ProcessIdentity {
  const { pid } = process;
  const host = hostname();
  // No namespaces there. The minute of the boot moves with the clock; then it is not known who lives, which is safe.
  if (process.platform !== "linux") {
    const bootMinute = Math.round((Date.now() - 1000 * uptime()) / 60_000);
    return { pid, host, space: `${host} ${process.platform} ${bootMinute}` };
  }
  try {
    // A container may see the /proc of its host, whose numbers are others.
    if (readlinkSync("/proc/self") !== String(pid)) return { pid, host };
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    const started = statOf(pid)?.started;
    if (started === undefined) return { pid, host };
    return { pid, started, host, space: `${host} ${boot} ${readlinkSync("/proc/self/ns/pid")}` };
  } catch {
    return { pid, host };
  }
}

/** Whether a process lives; `undefined` if this process cannot know. */
export function isAlive({ pid, started, space }: ProcessIdentity): boolean | undefined {
  if (space === undefined || space !== thisProcess().space) return undefined;
  const found = statOf(pid);
  if (found) return found.started === started && !found.hasEnded;
  try {
    process.kill(pid, 0);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? false : undefined;
  }
}

function statOf(pid: number): { readonly started: number; readonly hasEnded: boolean } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // From the third field on; the second, the program's name, may hold blanks and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const started = Number.parseInt(fields[19]!, 10);
    // A zombie has ended, and waits for its parent to notice.
    return Number.isNaN(started) ? undefined : { started, hasEnded: /[ZXx]/.test(fields[0]!) };
  } catch {
    return undefined;
  }
}
