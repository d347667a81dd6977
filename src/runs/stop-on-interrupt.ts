import { surviveClosing } from "../terminal/log";

/**
 * Asks runs to stop when the process is asked to: by Ctrl-C, by SIGTERM, which schedulers and `docker stop` send, by
 * SIGHUP, which a closed terminal or ssh session sends, or by Windows' Ctrl-Break. Given to `stop`, the signal lets a
 * run finish its step, write a checkpoint and reject with the signal's reason, an `AbortError` that says how to resume.
 *
 * A second one ends the process at once, as if nobody listened; a run can be resumed from its files at any moment. A
 * hang-up never counts as the second, because a closed terminal sends several. SIGQUIT (Ctrl-\) still ends the process
 * at once. A terminal or pipe that closes during a write no longer ends the process.
 *
 * @param say receives a message at the first one: what happens now, and how to resume (`console.error`, for example)
 * @example
 * await riseCot({ task, dataset, trainer, runDir: "runs/cot", resume: true, stop: stopOnInterrupt(console.error) });
 */
export function stopOnInterrupt(say: (message: string) => void): AbortSignal {
  const stop = new AbortController();
  stops.set(stop, say);
  for (const name of requests) process.off(name, onRequest).on(name, onRequest);
  process.off("SIGHUP", stopAll).on("SIGHUP", stopAll);
  for (const stream of [process.stdout, process.stderr]) surviveClosing(stream);
  return stop.signal;
}

/** A second one of these means that nobody wants to wait. */
const requests = ["SIGINT", "SIGTERM", "SIGBREAK"] as const;

/** Those who are told of the next request, with one listener for all of them. */
const stops = new Map<AbortController, (message: string) => void>();

function onRequest(): void {
  // Without a listener, the second one ends the process as usual.
  for (const name of requests) process.off(name, onRequest);
  stopAll();
}

function stopAll(): void {
  for (const [stop, say] of stops) {
    stops.delete(stop);
    stop.abort(
      new DOMException(
        "the run was stopped; the steps that it had finished are in its runDir, if it has one: resume them with resume: true (--resume for rise-ts)",
        "AbortError",
      ),
    );
    try {
      say(
        "Stopping: the step under way is finished first, and saved in a checkpoint. To resume later, start again with the same runDir and resume: true (--resume for rise-ts). Ctrl-C again stops now.",
      );
    } catch {
      // The message may reach nobody; the run must stop all the same.
    }
  }
}
