/**
 * Ctrl-C once: a signal for `stop`, so that runs finish their step, write a checkpoint and reject with an `AbortError`. Ctrl-C twice: the
 * process ends at once, as if nobody listened; what is on disk can be gone on from at any moment.
 *
 * @param say is told at the first Ctrl-C what happens now and how to go on (`console.error`, say)
 */
export function stopOnInterrupt(say: (message: string) => void): AbortSignal {
  const stop = new AbortController();
  // Heard once: without a listener, the second interrupt does what it does to any process.
  process.once("SIGINT", () => {
    stop.abort();
    say(
      "Finishing this step and writing a checkpoint. To go on later, start again with the same runDir and resume: true. Ctrl-C again stops now.",
    );
  });
  return stop.signal;
}
