/**
 * Asks runs to stop when the process is asked to: by Ctrl-C, by SIGTERM, which schedulers and `docker stop` send, by
 * SIGHUP, which a closed terminal or ssh session sends, or by Windows' Ctrl-Break. Given to `stop`, the signal lets a
 * run finish its step, write a checkpoint and reject with the signal's reason, an `AbortError` that says how to go on.
 *
 * A second one ends the process at once, as if nobody listened; what is on disk can be gone on from at any moment. A
 * hang-up never counts as the second: a terminal that is closed sends several. SIGQUIT (Ctrl-\) is left alone: it ends
 * the process at once. A terminal or pipe that is closed while something is written to it ends nothing any more.
 *
 * @param say is told at the first what happens now and how to go on (`console.error`, say)
 * @example
 * await riseCot({ task, dataset, trainer, runDir: "runs/cot", resume: true, stop: stopOnInterrupt(console.error) });
 */
export function stopOnInterrupt(say: (message: string) => void): AbortSignal {
  const stop = new AbortController();
  const onHangUp = () => {
    if (stop.signal.aborted) return;
    stop.abort(
      new DOMException(
        "the run was stopped; the steps that it had finished are in its runDir, if it has one: go on from there with resume: true",
        "AbortError",
      ),
    );
    try {
      say(
        "Stopping: what is under way is finished first, and a step is saved in a checkpoint. To go on later, start again with the same runDir and resume: true. Ctrl-C again stops now.",
      );
    } catch {
      // There may be nobody left to tell, and the run is to stop all the same.
    }
  };
  const onRequest = () => {
    // Without a listener, the second does what it does to any process.
    for (const name of requests) process.off(name, onRequest);
    onHangUp();
  };
  for (const name of requests) process.on(name, onRequest);
  process.on("SIGHUP", onHangUp);
  for (const stream of [process.stdout, process.stderr])
    if (!stream.listeners("error").includes(onClosed)) stream.on("error", onClosed);
  return stop.signal;
}

/** A second one of these means that nobody wants to wait. */
const requests = ["SIGINT", "SIGTERM", "SIGBREAK"] as const;

/** Pipes that nobody reads, and terminals that are gone. */
function onClosed(error: NodeJS.ErrnoException): void {
  if (!["EPIPE", "EIO", "ECONNRESET", "ERR_STREAM_DESTROYED"].includes(error.code ?? "")) throw error;
}
