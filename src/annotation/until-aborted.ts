/**
 * The items of a stream, which may wait for its next one for ever: an abort ends the waiting, and closes the stream.
 * @throws the signal's reason
 */
export async function* untilAborted<T>(
  items: Iterable<T> | AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let isWaiting = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      isWaiting = true;
      const next = await orAborted(Promise.resolve(iterator.next()), signal);
      isWaiting = false;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    const closed = Promise.resolve(iterator.return?.());
    // A generator that waits closes when its waiting ends, if ever.
    if (isWaiting) closed.catch(() => {});
    else await closed;
  }
}

/** Listens for one piece of work alone: a listener that stays would keep every piece in memory. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    // The work itself may have aborted it.
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
