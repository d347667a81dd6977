import { Worker } from "node:worker_threads";
import { BackendError } from "../../errors";
import { runtimePath } from "./installation";
import { workerCode } from "./worker-code";

/** A graph compiled in the thread that runs graphs. It is lost when the thread ends. */
export interface CompiledGraph {
  /**
   * @param moved buffers of feeds that are given away
   * @throws onnxruntime's error; BackendError when the thread has ended
   */
  run(feeds: Readonly<Record<string, Feed>>, moved: readonly ArrayBuffer[]): Promise<unknown>;
  /** Frees it; does nothing when the thread has ended. */
  release(): Promise<void>;
}

interface Feed {
  readonly dtype: string;
  readonly data: unknown;
  readonly shape: readonly number[];
}

/** A request to the thread. */
type Request =
  | { readonly ask: "create"; readonly model: Uint8Array; readonly options: object }
  | { readonly ask: "run"; readonly session: number; readonly feeds: Readonly<Record<string, Feed>> }
  | { readonly ask: "release"; readonly session: number };

/** The one thread that compiles and runs graphs, so that this one stays free. It does not keep the process alive. */
interface Thread {
  readonly worker: Worker;
  readonly pending: Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>;
  /** Why it has ended. */
  ended?: BackendError;
}

let thread: Thread | undefined;
let requests = 0;

/**
 * Compiles a serialised model in the thread, which is started the first time and after a failure.
 * @throws onnxruntime's error; BackendError when the thread ends meanwhile
 */
export async function compile(model: Uint8Array, options: object): Promise<CompiledGraph> {
  thread ??= start();
  const own = thread;
  const session = (await ask(own, { ask: "create", model, options })) as number;
  return {
    run: (feeds, moved) => ask(own, { ask: "run", session, feeds }, moved),
    release: async () => {
      await ask(own, { ask: "release", session }).catch((error: unknown) => {
        if (error !== own.ended) throw error;
      });
    },
  };
}

/** Sends a request; answers come in the order of requests. */
function ask(
  { worker, pending, ended }: Thread,
  request: Request,
  moved: readonly ArrayBuffer[] = [],
): Promise<unknown> {
  if (ended) return Promise.reject(ended);
  const id = requests++;
  return new Promise((resolve, reject) => {
    worker.postMessage({ id, ...request }, moved);
    if (pending.size === 0) worker.ref();
    pending.set(id, { resolve, reject });
  });
}

function start(): Thread {
  /** [0 idle or 1 in native code, whether to start no more work]. */
  const state = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(workerCode, { eval: true, execArgv: [], workerData: { runtime: runtimePath(), state } });
  const pending: Thread["pending"] = new Map();
  const started: Thread = { worker, pending };
  worker.unref();
  worker.on("message", ({ id, value, error }: { id: number; value?: unknown; error?: unknown }) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) worker.unref();
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(error);
  });
  // Ending the process while another thread runs native code aborts it, so wait for that thread first.
  const wait = () => {
    Atomics.store(state, 1, 1);
    while (Atomics.load(state, 0) === 1) Atomics.wait(state, 0, 1);
  };
  process.once("exit", wait);
  const end = (why: string) => {
    process.off("exit", wait);
    if (thread === started) thread = undefined;
    // The error event precedes the exit that it causes, and says more.
    started.ended ??= new BackendError(`the thread that runs graphs ${why}; what was compiled in it is lost`);
    for (const { reject } of pending.values()) reject(started.ended);
    pending.clear();
  };
  worker.on("error", (cause) => end(`failed: ${String(cause)}`));
  worker.on("exit", (code) => end(`ended with code ${code}`));
  return started;
}
