import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { BackendError } from "../errors";

/** How a process is started that reads what other people made: a Node of its own, which may be killed at any time. */
export interface ProcessStart {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
}

/** The outcome of a request: a value, the error that the job threw, or the reason why the process ended. */
export type Reply =
  | { readonly value: unknown }
  | { readonly error: string; readonly isRefusal: boolean }
  | { readonly ended: "time" | "memory" | "other" };

export interface KillableProcess {
  /** Asks one thing at a time. The process keeps this one alive only while it is asked. */
  ask(job: string, request: object, limitMs: number): Promise<Reply>;
  isAlive(): boolean;
  end(): void;
}

/**
 * The start of `jobs`, the text of an object of functions, in a process that is killed when a job takes too much
 * processor time, or the process too much memory.
 * A thread of the process watches it, so a machine that stands still or is busy does not count. It ends with this
 * process, even in the middle of a job. It gets nothing of this process's environment, which may hold keys; messages,
 * `{ job, request, limitMs }` and its replies, are structured clones.
 *
 * @param jobs a function expression `(args, Refusal) => ({ job(request) { … } })`; a `Refusal` that a job throws is
 * meant for the user as it is. It is text, because a file would have another path in the sources, in both builds and in
 * whatever bundles them
 */
export function killableStart(jobs: string, args: readonly string[], { memoryMb }: { memoryMb: number }): ProcessStart {
  const { SystemRoot } = process.env;
  return {
    command: process.execPath,
    args: [`--max-old-space-size=${memoryMb}`, "-e", `(${program})(${jobs})`, String(memoryMb), ...args],
    options: {
      env: { ...(SystemRoot !== undefined && { SystemRoot }), ELECTRON_RUN_AS_NODE: "1" },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced",
      windowsHide: true,
    },
  };
}

/** Why a process ended, by the last words that it wrote. */
export function endOf(lastWords: string): "time" | "memory" | "other" {
  const reason = /^rise-ts: over its (time|memory)/m.exec(lastWords)?.[1] as "time" | "memory" | undefined;
  // V8's words for a heap that is full, and for an array longer than any may be.
  const isFull = /out of memory|invalid (?:array|size|string)/i.test(lastWords);
  return reason ?? (isFull ? "memory" : "other");
}

/**
 * Starts a process as `killableStart` says.
 * @throws BackendError from `ask` where no process can be started
 */
export function startKillable(jobs: string, args: readonly string[], limits: { memoryMb: number }): KillableProcess {
  const start = killableStart(jobs, args, limits);
  const child = spawn(start.command, start.args, start.options);
  let answer: ((reply: Reply) => void) | undefined;
  let fail: ((error: BackendError) => void) | undefined;
  let isAlive = true;
  let lastWords = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(0, 1000);
  });
  child.on("message", (reply: Reply) => answer?.(reply));
  child.on("error", (error) => {
    isAlive = false;
    fail?.(new BackendError(`expected to start ${process.execPath}, which reads files: ${error.message}`));
  });
  // "close" comes after the last message, "exit" may come before it.
  child.on("close", () => {
    isAlive = false;
    answer?.({ ended: endOf(lastWords) });
  });
  hold(child, false);
  const ask = (job: string, request: object, limitMs: number) =>
    new Promise<Reply>((resolve, reject) => {
      if (!isAlive) return resolve({ ended: "other" });
      answer = resolve;
      fail = reject;
      hold(child, true);
      // A process that has just ended, or that has no channel because it could not start, says so itself.
      child.send?.({ job, request, limitMs }, () => {});
    }).finally(() => {
      answer = undefined;
      fail = undefined;
      hold(child, false);
    });
  const end = () => {
    isAlive = false;
    child.kill("SIGKILL");
  };
  return { ask, end, isAlive: () => isAlive };
}

/** Whether this process waits for the other one before it ends. */
function hold(child: ChildProcess, isHeld: boolean): void {
  const name = isHeld ? "ref" : "unref";
  child[name]();
  child.channel?.[name]();
  (child.stderr as unknown as { readonly ref?: () => void; readonly unref?: () => void } | null)?.[name]?.();
}

/** The process. `state` is [number of the job or 0, its limit in ms]. */
const program = `(makeJobs) => {
  const [, limitMb, ...args] = process.argv;
  class Refusal extends Error {}
  const jobs = makeJobs(args, Refusal);
  const state = new Int32Array(new SharedArrayBuffer(8));
  const workerData = { state, memory: limitMb * 2 ** 20, parent: process.ppid };
  const { Worker } = require("node:worker_threads");
  new Worker("(" + watch + ")()", { eval: true, execArgv: [], workerData }).unref();
  let asked = 0;
  process.on("disconnect", () => process.exit());
  // A failed job may leave work behind.
  process.on("unhandledRejection", () => {});
  process.on("message", async ({ job, request, limitMs }) => {
    Atomics.store(state, 1, limitMs);
    Atomics.store(state, 0, ++asked);
    Atomics.notify(state, 0);
    let reply;
    try {
      reply = { value: await jobs[job](request) };
    } catch (error) {
      reply = { error: String(error?.message ?? error).slice(0, 1000), isRefusal: error instanceof Refusal };
    }
    process.send(reply, () => Atomics.store(state, 0, 0));
  });
  function watch() {
    const { workerData: { state, memory, parent } } = require("node:worker_threads");
    const end = (reason) => {
      try {
        require("node:fs").writeSync(2, "rise-ts: over its " + reason + "\\n");
      } catch {
        // Nobody is there to read it.
      }
      process.kill(process.pid, "SIGKILL");
    };
    for (let job = 0, before; ; Atomics.wait(state, 0, job, job === 0 ? Infinity : 20)) {
      const now = Atomics.load(state, 0);
      if (now !== job) before = process.cpuUsage();
      job = now;
      if (job === 0) continue;
      const { user, system } = process.cpuUsage(before);
      if (process.memoryUsage.rss() > memory) end("memory");
      if ((user + system) / 1000 > Atomics.load(state, 1)) end("time");
      if (process.ppid !== parent) end("caller's life");
    }
  }
}`;
