/**
 * Work under way: `await` it for the result, or `for await` it for its events.
 *
 * It starts once, at the first of the two. It waits until every reader has requested the next event: nothing is
 * buffered, and work is never ahead of its readers. Leaving the loop aborts the run, and waits until it has stopped; so
 * does the `signal` it was made with. An error reaches everyone who awaits or iterates.
 */
export interface Run<Event, Result> extends PromiseLike<Result>, AsyncIterable<Event> {
  catch<Other>(onRejected: (reason: unknown) => Other | PromiseLike<Other>): Promise<Result | Other>;
  finally(onFinally: () => void): Promise<Result>;
}

/**
 * Makes a run of a generator of events that returns the result.
 *
 * @param body checks the signal itself, where stopping is safe; it is always run to its end, so its `finally` blocks
 * are too
 * @param outer aborts the run from outside
 */
export function createRun<Event, Result>(
  body: (signal: AbortSignal) => AsyncGenerator<Event, Result, void>,
  outer?: AbortSignal,
): Run<Event, Result> {
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  const readers = new Set<Reader<Event>>();
  let result: Promise<Result> | undefined;

  const start = () => {
    result ??= drive(body, signal, readers);
    // A run that is only iterated reports its error there.
    result.catch(() => {});
    return result;
  };
  return {
    // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
    then(onFulfilled, onRejected) {
      return start().then(onFulfilled, onRejected);
    },
    catch: (onRejected) => start().catch(onRejected),
    finally: (onFinally) => start().finally(onFinally),
    [Symbol.asyncIterator]: () => iterate(start, readers, () => stop.abort()),
  };
}

async function drive<Event, Result>(
  body: (signal: AbortSignal) => AsyncGenerator<Event, Result, void>,
  signal: AbortSignal,
  readers: ReadonlySet<Reader<Event>>,
): Promise<Result> {
  signal.throwIfAborted();
  const events = body(signal);
  for (;;) {
    await Promise.all([...readers].map((reader) => reader.wanted()));
    const next = await events.next();
    if (next.done) return next.value;
    for (const reader of readers) reader.deliver(next.value);
  }
}

interface Reader<Event> {
  /** Resolves when the reader waits for an event, or has gone. */
  wanted(): Promise<void>;
  deliver(event: Event): void;
}

function iterate<Event, Result>(
  start: () => Promise<Result>,
  readers: Set<Reader<Event>>,
  abort: () => void,
): AsyncIterator<Event, undefined> {
  let state: "new" | "open" | "closed" = "new";
  const { reader, request, wake, end } = requestQueue<Event>(() => state === "closed");
  const close = () => {
    state = "closed";
    readers.delete(reader);
    wake();
  };
  const open = () => {
    state = "open";
    readers.add(reader);
    start().then(
      () => {
        close();
        end();
      },
      (error: unknown) => {
        close();
        end({ error });
      },
    );
  };
  return {
    next() {
      if (state === "closed") return Promise.resolve(done);
      const answer = request();
      if (state === "new") open();
      wake();
      return answer;
    },
    async return() {
      if (state === "open") {
        close();
        abort();
        await start().catch(() => {});
      }
      state = "closed";
      return done;
    },
  };
}

const done = { done: true, value: undefined } as const;

/** The requests of one iterator that no event has answered yet, and the reader that answers them. */
function requestQueue<Event>(isClosed: () => boolean) {
  type Answer = IteratorResult<Event, undefined>;
  const requests: { resolve(answer: Answer): void; reject(reason: unknown): void }[] = [];
  let onRequest = () => {};
  const reader: Reader<Event> = {
    wanted: () =>
      requests.length > 0 || isClosed() ? Promise.resolve() : new Promise((resolve) => (onRequest = resolve)),
    deliver: (event) => requests.shift()?.resolve({ done: false, value: event }),
  };
  return {
    reader,
    request: () => new Promise<Answer>((resolve, reject) => requests.push({ resolve, reject })),
    /** Tells a run that waits for this reader to look again. */
    wake: () => onRequest(),
    /** Answers all requests: the first with the error, if there was one. */
    end(failure?: { readonly error: unknown }) {
      if (failure) requests.shift()?.reject(failure.error);
      for (const { resolve } of requests.splice(0)) resolve(done);
    },
  };
}
