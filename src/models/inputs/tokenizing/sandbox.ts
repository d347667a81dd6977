import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { BackendError, DataError } from "../../../errors";
import { endOf, killableStart, type Reply } from "../../../files/killable-process";
import { packagePath } from "../../../files/package-path";
import { threadProgram, tokenizerJobs } from "./programs";

/** Extra milliseconds that a job may take for each letter that it reads. */
const letterMs = 0.01;

/** The process's memory: it holds a few vocabularies, of which one of 150 000 tokens takes 150 MB. */
const limits = { memoryMb: 2048 };

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

/** A reply of the process, the last words of one that ended, or the reason why none could be started. */
type Answer = Exclude<Reply, { ended: string }> | { readonly lastWords: string } | { readonly failed: string };

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly state: Int32Array;
}

let thread: Thread | undefined;

/**
 * Runs a job with a foreign tokenizer or template in a separate process, which is killed for an endless loop or too
 * much memory. (A thread would not do: V8 ends the whole process when a thread asks for too large an array.) This
 * thread waits meanwhile, about a fifth of a millisecond longer than the job takes.
 * @param problem start of the error's message: the file and its owner
 * @param letters how many letters the job reads
 * @param reopen reopens the tokenizer after its process has ended
 * @param jobMs processor time of a job, beside what its letters add
 * @throws DataError for a job that fails or was stopped; BackendError when no process can be started
 */
export function runJob(problem: string, job: Job, letters: number, reopen: () => void, jobMs = 10_000): unknown {
  const limitMs = Math.ceil(jobMs + letterMs * letters);
  const answer = ask({ job: job.job, request: job, limitMs });
  if ("failed" in answer)
    throw new BackendError(`expected to start ${process.execPath}, which runs tokenizers: ${answer.failed}`);
  if ("error" in answer) throw new DataError(`${problem}: ${answer.error}`);
  if ("lastWords" in answer)
    throw new DataError(
      endOf(answer.lastWords) === "time"
        ? `${problem}: it was stopped after ${Math.ceil(limitMs / 1000)} seconds of processor time, as a loop without end has to be`
        : `${problem}: its process ended, as with more than ${limits.memoryMb} MB of memory`,
    );
  if (answer.value !== null) return answer.value;
  // The process lacks this tokenizer: it was restarted, or has others open.
  reopen();
  const lost = () => {
    throw new DataError(`${problem}: its process has lost it`);
  };
  return runJob(problem, job, letters, lost, jobMs);
}

/** Waits as long as it takes: the process watches its own time, so a machine that is busy or asleep is no fault. */
function ask(request: object): Answer {
  thread ??= start();
  const { worker, port, state } = thread;
  worker.postMessage(request);
  for (;;) {
    Atomics.store(state, 0, 0);
    const answered = receiveMessageOnPort(port);
    if (answered !== undefined) return answered.message as Answer;
    // The thread may wake this one for the reply before, if it was held up between sending that and saying so.
    Atomics.wait(state, 0, 0);
  }
}

/** Starts the thread, which does not keep this process alive and ends with it. */
function start(): Thread {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const process = killableStart(tokenizerJobs, [packagePath("@huggingface/transformers")], limits);
  const worker = new Worker(threadProgram, {
    eval: true,
    execArgv: [],
    workerData: { state, port: port2, start: process },
    transferList: [port2],
  });
  worker.unref();
  worker.on("exit", () => {
    thread = undefined;
  });
  port1.unref();
  return { worker, port: port1, state };
}
