/**
 * Ctrl-C once, or SIGTERM, which schedulers and `docker stop` send: a signal for `stop`, so that runs finish their step, write a checkpoint and
 * reject with its reason, an `AbortError` that says how to go on. Twice: the process ends at once, as if nobody listened; what is on disk can
 * be gone on from at any moment.
 *
 * @param say is told at the first what happens now and how to go on (`console.error`, say)
 */
export function stopOnInterrupt(say: (message: string) => void): AbortSignal {
  const stop = new AbortController();
  const interrupts = ["SIGINT", "SIGTERM"] as const;
  const onFirst = () => {
    // Without a listener, the second does what it does to any process.
    for (const name of interrupts) process.off(name, onFirst);
    stop.abort(
      new DOMException(
        "the run was stopped; the steps that it had finished are in its runDir, if it has one: go on from there with resume: true",
        "AbortError",
      ),
    );
    say(
      "Stopping: what is under way is finished first, and a step is saved in a checkpoint. To go on later, start again with the same runDir and resume: true. Ctrl-C again stops now.",
    );
  };
  for (const name of interrupts) process.on(name, onFirst);
  return stop.signal;
}
