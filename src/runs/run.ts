import { noteUnstarted } from "../terminal/unstarted";

/**
 * Work under way: `await` it for the result, or `for await` it for its events.
 *
 * It starts once, at the first of the two. It waits until every reader has requested the next event: nothing is
 * buffered, and work is never ahead of its readers. Leaving the loop aborts the run, and waits until it has stopped; so
 * does the `signal` it was made with. An error reaches everyone who awaits or iterates.
 */
export interface Run<Event, Result> extends PromiseLike<Result>, AsyncIterable<Event> {
  /** As a promise's; it starts the run. */
  catch<Other>(onRejected: (reason: unknown) => Other | PromiseLike<Other>): Promise<Result | Other>;
  /** As a promise's; it starts the run. */
  finally(onFinally: () => void): Promise<Result>;
}

/**
 * The work of a run. It checks the signal itself, where stopping is safe; it is always run to its end, so its `finally`
 * blocks are too.
 * @param tell passes an event on at once, from within the work on the next one
 */
export type RunBody<Event, Result> = (
  signal: AbortSignal,
  tell: (event: Event) => void,
) => AsyncGenerator<Event, Result, void>;

export interface RunCreation<Event> {
  readonly signal?: AbortSignal | undefined;
  /** Names the function that made the run, for a warning if it never starts. */
  readonly name?: string;
  /** Opens a listener when the run starts, unless somebody iterates. */
  readonly listen?: (() => Listener<Event>) | undefined;
  /** Whether it listens although somebody iterates (false). */
  readonly alwaysListens?: boolean;
}

/** Hears every event of a run, without being waited for. Its error aborts the run, which then rejects with it. */
export interface Listener<Event> {
  hear(event: Event): void;
  /** The run is over, or somebody iterates. */
  close(): void;
}

/** Makes a run of a generator of events that returns the result. */
export function createRun<Event, Result>(
  body: RunBody<Event, Result>,
  { signal: outer, name, listen, alwaysListens = false }: RunCreation<Event> = {},
): Run<Event, Result> {
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  const readers = new Set<Reader<Event>>();
  const noteStart = name === undefined ? () => {} : noteUnstarted(name);
  let isIterated = false;
  let result: Promise<Result> | undefined;

  const start = () => {
    if (result) return result;
    noteStart();
    const listener = listen && lazy(listen, () => alwaysListens || !isIterated);
    const abort = (error: unknown) => stop.abort(error);
    result = drive(body, { signal, abort, readers, listener }).finally(() => listener?.close());
    // A run that is only iterated reports its error there.
    result.catch(() => {});
    return result;
  };
  return runOf(start, () => {
    isIterated = true;
    return iterate(start, readers, () => stop.abort());
  });
}

/** A run that has failed before it could start: it rejects, and Node reports the error if nobody handles it. */
export function failedRun<Event, Result>(error: unknown): Run<Event, Result> {
  const result: Promise<never> = Promise.reject(error);
  return runOf<Event, Result>(
    () => result,
    () => ({ next: () => result, return: async () => done }),
  );
}

const runOf = <Event, Result>(
  start: () => Promise<Result>,
  iterator: () => AsyncIterator<Event, undefined>,
): Run<Event, Result> => ({
  // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
  then(onFulfilled, onRejected) {
    return start().then(onFulfilled, onRejected);
  },
  catch: (onRejected) => start().catch(onRejected),
  finally: (onFinally) => start().finally(onFinally),
  [Symbol.asyncIterator]: iterator,
});

/** Opens a listener at the first event that it may hear, and closes it when it may hear no more. */
function lazy<Event>(open: () => Listener<Event>, mayHear: () => boolean): Listener<Event> {
  let listener: Listener<Event> | undefined;
  return {
    hear(event) {
      if (mayHear()) (listener ??= open()).hear(event);
      else listener?.close();
    },
    close: () => listener?.close(),
  };
}

interface Driving<Event> {
  readonly signal: AbortSignal;
  readonly abort: (error: unknown) => void;
  readonly readers: ReadonlySet<Reader<Event>>;
  readonly listener: Listener<Event> | undefined;
}

async function drive<Event, Result>(
  body: RunBody<Event, Result>,
  { signal, abort, readers, listener }: Driving<Event>,
): Promise<Result> {
  signal.throwIfAborted();
  let failure: { readonly error: unknown } | undefined;
  const hear = (event: Event) => {
    if (failure) return;
    try {
      listener?.hear(event);
    } catch (error) {
      failure = { error };
      abort(error);
    }
  };
  const pass = (event: Event) => {
    hear(event);
    for (const reader of readers) reader.deliver(event);
  };
  const allWait = () => Promise.all([...readers].map((reader) => reader.wanted()));
  const events = body(signal, pass);
  for (;;) {
    await allWait();
    const next = await events.next();
    if (next.done && failure) throw failure.error;
    if (next.done) return next.value;
    // An event from within may have been their last wish.
    await allWait();
    pass(next.value);
  }
}

interface Reader<Event> {
  /** Resolves when the reader waits for an event, or has gone. */
  wanted(): Promise<void>;
  /** Gives the event to a reader that waits; a busy one misses it. */
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
