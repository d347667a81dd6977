import { createRequire } from "node:module";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { BackendError, DataError } from "../../../errors";
import { processStart } from "../../../files/killable-process";
import { processProgram, threadProgram } from "./programs";

/** Extra milliseconds that a job may take for each letter that it reads. */
const letterMs = 0.01;

/** A job that blocks in native code for this many times its limit is killed. */
const killAfter = 3;

/** The process's heap, in MB: a vocabulary of 150 000 tokens takes 150. */
const heapMb = 1024;

/** A request to the process. `key` names an open tokenizer. Files go as text: JSON may be too deep to be cloned. */
export type Job =
  | {
      readonly job: "open";
      readonly key: number;
      /** tokenizer.json, and tokenizer_config.json without its template. */
      readonly json: string;
      readonly settings: string;
      readonly template: string;
    }
  | { readonly job: "prompt"; readonly key: number; readonly chat: readonly object[]; readonly seam: string }
  | { readonly job: "encode"; readonly key: number; readonly pieces: readonly string[] }
  | { readonly job: "decode"; readonly key: number; readonly rows: readonly (readonly number[])[] };

interface Reply {
  /** The number of the answered request. */
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
  /** The process lacks this tokenizer: it was restarted, or has others open. */
  readonly unopened?: true;
  readonly tooLong?: true;
  readonly died?: true;
  readonly failed?: string;
}

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly state: Int32Array;
}

let thread: Thread | undefined;

/**
 * Runs a job with a foreign tokenizer or template in a separate process: an endless loop is stopped, and running out of
 * memory ends only that process. (A thread would not do: V8 ends the whole process when a thread asks for too large an
 * array.) This thread waits meanwhile, about a fifth of a millisecond longer than the job takes.
 * @param problem start of the error's message: the file and its owner
 * @param letters how many letters the job reads
 * @param reopen reopens the tokenizer after its process has ended
 * @throws DataError for a job that fails or was stopped; BackendError when no process can be started
 */
export function runJob(problem: string, job: Job, letters: number, reopen: () => void, jobMs = 10_000): unknown {
  const limitMs = Math.ceil(jobMs + letterMs * letters);
  const reply = ask({ ...job, limitMs, killMs: killAfter * limitMs }, killAfter * limitMs);
  if (reply.unopened) {
    reopen();
    return runJob(
      problem,
      job,
      letters,
      () => {
        throw new DataError(`${problem}: its process has lost it`);
      },
      jobMs,
    );
  }
  if (reply.error !== undefined) throw new DataError(`${problem}: ${reply.error}`);
  if (reply.tooLong)
    throw new DataError(
      `${problem}: it was stopped after ${Math.ceil(limitMs / 1000)} seconds, as a loop without end has to be`,
    );
  if (reply.died) throw new DataError(`${problem}: its process ended, as with more than ${heapMb} MB of memory`);
  if (reply.failed !== undefined)
    throw new BackendError(`expected to start ${process.execPath}, which runs tokenizers: ${reply.failed}`);
  return reply.value;
}

/** Milliseconds in which a thread and a process start even on a busy machine. */
const startMs = 60_000;

let asked = 0;

function ask(request: object, killMs: number): Reply {
  thread ??= start();
  const { worker, port, state } = thread;
  const id = asked++;
  worker.postMessage({ ...request, id });
  // Ticks, because a machine that sleeps meanwhile uses up one of them only. The thread may also wake this one for the
  // reply before, if it was held up between sending that and saying so.
  for (let ticks = 10; ticks >= 0; ) {
    Atomics.store(state, 0, 0);
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const reply = next.message as Reply;
      // An abandoned request may have left a reply.
      if (reply.id === id) return reply;
    }
    if (Atomics.wait(state, 0, 0, (killMs + startMs) / 10) === "timed-out") ticks--;
  }
  return { id, failed: "it does not answer" };
}

/** Starts the thread, which does not keep this process alive and ends with it. */
function start(): Thread {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const transformers = createRequire(import.meta.url).resolve("@huggingface/transformers");
  const worker = new Worker(threadProgram, {
    eval: true,
    execArgv: [],
    workerData: { state, port: port2, start: processStart(processProgram, heapMb, [transformers]) },
    transferList: [port2],
  });
  worker.unref();
  worker.on("exit", () => {
    thread = undefined;
  });
  port1.unref();
  return { worker, port: port1, state };
}
