import { isMainThread } from "node:worker_threads";
import { say } from "../terminal/log";
import type { RunSettings } from "./run-options";

/** The signals that ask a process to end, and the exit codes that shells give for them. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGBREAK: 149 } as const;
type Request = keyof typeof exitCodes;
const requests = Object.keys(exitCodes) as Request[];

/** The reason of a run that the process was asked to end. Its stack is its message: it is no fault to look for. */
export class Interruption extends DOMException {
  constructor(message: string) {
    super(message, "AbortError");
    Object.defineProperty(this, "stack", { value: `AbortError: ${message}` });
  }
}

interface Listening {
  readonly stop: AbortController;
  readonly message: string;
  readonly onRequest: () => void;
}

/** The first request; no run begins after it. */
let asked: { readonly code: number } | undefined;

/** The runs that stop when the process is asked to end. */
const listening = new Set<Listening>();

/**
 * Runs `run` with a signal that stops it when the process is asked to end, and says so in the log. The caller's own
 * `stop`, or `handleInterrupts: false`, leaves that to the program.
 * @param words names of what a run has saved, and of what it finishes before it stops
 */
export async function* untilInterrupted<Event, Result>(
  name: string,
  { runDir, stop, handleInterrupts, log }: Pick<RunSettings<never>, "runDir" | "stop" | "handleInterrupts" | "log">,
  { kept, underWay }: { readonly kept: string; readonly underWay: string },
  run: (stop: AbortSignal | undefined) => AsyncGenerator<Event, Result, void>,
): AsyncGenerator<Event, Result, void> {
  if (stop || !handleInterrupts) return yield* run(stop);
  const [message, advice] =
    runDir === undefined
      ? [
          "the run was interrupted, and nothing is saved, because it has no runDir",
          `stopping after ${underWay}; nothing is saved, because the run has no runDir`,
        ]
      : [
          `the run was interrupted; its ${kept} are saved in ${runDir}. To resume it, start the program again with resume: true`,
          `stopping after ${underWay}, which will be saved in ${runDir}`,
        ];
  const interrupts = listenForInterrupts(`${name}: ${message}`, () =>
    say(name, log, `${advice}. Ctrl-C again stops at once`),
  );
  try {
    return yield* run(interrupts.signal);
  } catch (error) {
    if (error === interrupts.signal.reason) say(name, log, message);
    throw error;
  } finally {
    interrupts.release();
  }
}

/**
 * Lets a run stop when the process is asked to end by Ctrl-C, SIGTERM, SIGHUP or Ctrl-Break, and the process end
 * without a stack and with the shell's exit code, 130 for Ctrl-C, unless the program handles the run's rejection.
 *
 * It listens only while runs are under way, and no run begins after a request. A signal that the program itself
 * listens to is left alone, whether it began to listen before the run or later. A second request ends the process at
 * once, apart from a hang-up.
 *
 * @param message the reason that the run rejects with
 * @param onRequest called at the first request
 * @returns the signal for the run, and a function that ends the listening
 */
export function listenForInterrupts(
  message: string,
  onRequest: () => void,
): { readonly signal: AbortSignal; readonly release: () => void } {
  const stop = new AbortController();
  const mine: Listening = { stop, message, onRequest };
  if (asked) interrupt(mine);
  // Other threads get no signals.
  if (isMainThread) {
    if (listening.size === 0) for (const name of requests) if (process.listenerCount(name) === 0) process.on(name, ask);
    listening.add(mine);
  }
  const release = () => {
    listening.delete(mine);
    if (listening.size === 0) for (const name of requests) process.off(name, ask);
  };
  return { signal: stop.signal, release };
}

function ask(name: Request): void {
  // The program began to listen after the run did.
  if (process.listenerCount(name) > 1) return;
  if (name !== "SIGHUP") for (const other of requests) if (other !== "SIGHUP") process.off(other, ask);
  if (!asked) process.on("uncaughtExceptionMonitor", endQuietly);
  asked ??= { code: exitCodes[name] };
  process.exitCode ??= asked.code;
  for (const run of listening) {
    if (run.stop.signal.aborted) continue;
    interrupt(run);
    run.onRequest();
  }
}

const interrupt = ({ stop, message }: Listening) => stop.abort(new Interruption(message));

/** Ends the process when nobody handles a run's rejection, before Node prints its stack. */
function endQuietly(error: Error): void {
  if (error instanceof Interruption && process.listenerCount("uncaughtException") === 0) process.exit(asked!.code);
}
