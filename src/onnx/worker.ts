import { Worker } from "node:worker_threads";
import { BackendError } from "../errors";
import { runtimePath } from "./runtime";
import { workerCode } from "./worker-code";

/** What the thread that runs graphs is asked. */
export type Request =
  | { readonly ask: "create"; readonly model: Uint8Array; readonly options: object }
  | {
      readonly ask: "run";
      readonly session: number;
      readonly feeds: Readonly<
        Record<string, { readonly dtype: string; readonly data: unknown; readonly shape: readonly number[] }>
      >;
    }
  | { readonly ask: "release"; readonly session: number };

/** The thread in which graphs are compiled and run, so that this one stays free. There is one; it ends with the process, and does not keep it alive. */
interface Thread {
  readonly worker: Worker;
  readonly pending: Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>;
}

let thread: Thread | undefined;
let requests = 0;

/**
 * Asks the thread, which answers one request after the other.
 * @throws what onnxruntime threw; BackendError when the thread has ended
 */
export function ask(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
  thread ??= start();
  const { worker, pending } = thread;
  const id = requests++;
  return new Promise((resolve, reject) => {
    worker.postMessage({ id, ...request }, transfer);
    if (pending.size === 0) worker.ref();
    pending.set(id, { resolve, reject });
  });
}

function start(): Thread {
  /** 0 idle, 1 in native code; and whether to begin nothing more. */
  const state = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(workerCode, { eval: true, workerData: { runtime: runtimePath(), state } });
  const pending: Thread["pending"] = new Map();
  const started = { worker, pending };
  worker.unref();
  worker.on("message", ({ id, value, error }: { id: number; value?: unknown; error?: unknown }) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) worker.unref();
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(error);
  });
  // A process that ends while native code runs in another thread is aborted: wait for it, as one thread alone would.
  const wait = () => {
    Atomics.store(state, 1, 1);
    Atomics.wait(state, 0, 1);
  };
  process.once("exit", wait);
  const end = (why: string) => {
    process.off("exit", wait);
    if (thread === started) thread = undefined;
    for (const { reject } of pending.values()) reject(new BackendError(`the thread that runs graphs ${why}`));
    pending.clear();
  };
  worker.on("error", (cause) => end(`failed: ${String(cause)}`));
  worker.on("exit", (code) => end(`ended with code ${code}`));
  return started;
}
