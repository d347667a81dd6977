/*
 * Two programs as text, as in src/onnx/runtime/worker-code.ts: a file's path would differ between the sources, both
 * builds and any bundle of them.
 */

/**
 * The process that runs other people's tokenizers and templates. It may be killed at any time, and ends with its
 * parent. A job that exceeds its time limit is stopped from inside, or killed from outside if that fails.
 */
export const processProgram = `
const { Script } = require("node:vm");
const { PreTrainedTokenizer } = require(process.argv[1]);
const mostOpen = 4;
const mostLetters = 2 ** 24;
const opened = new Map();
const script = new Script("job()");

const bounded = (value, what) => {
  if (value.length > mostLetters) throw new Error("it makes more than " + mostLetters + what);
  return value;
};

const jobs = {
  open({ key, json, settings, template }) {
    opened.set(key, new PreTrainedTokenizer(JSON.parse(json), { ...JSON.parse(settings), chat_template: template }));
    if (opened.size > mostOpen) opened.delete(opened.keys().next().value);
  },
  prompt({ chat, seam }, tokenizer) {
    const settings = { tokenize: false, add_generation_prompt: true };
    const text = bounded(tokenizer.apply_chat_template(chat, settings), " letters of a prompt");
    return jobs.encode({ pieces: text.split(seam) }, tokenizer);
  },
  encode({ pieces }, tokenizer) {
    const some = pieces.filter((piece) => piece !== "");
    return bounded(some.flatMap((piece) => tokenizer.encode(piece, { add_special_tokens: false })), " tokens");
  },
  decode: ({ rows }, tokenizer) =>
    rows.map((ids) => bounded(tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false }), " letters")),
};

function reply(request) {
  const tokenizer = opened.get(request.key);
  if (request.job !== "open" && !tokenizer) return { unopened: true };
  globalThis.job = () => jobs[request.job](request, tokenizer);
  for (;;) {
    const before = process.cpuUsage();
    try {
      return { value: script.runInThisContext({ timeout: request.limitMs }) };
    } catch (error) {
      if (error?.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") return { error: String(error?.message ?? error).slice(0, 1000) };
      // If little processor time was used, the machine was asleep, and the job starts again.
      if (process.cpuUsage(before).user > 500 * request.limitMs) return { tooLong: true };
    }
  }
}

process.on("disconnect", () => process.exit());
process.on("message", (request) => process.send({ ...reply(request), id: request.id }));
`;

/**
 * The thread that starts the process, passes requests on, and kills it. The caller waits at \`workerData.state\`,
 * [answered?], and so needs no event loop.
 */
export const threadProgram = `
const { parentPort, workerData } = require("node:worker_threads");
const { spawn } = require("node:child_process");
const { state, port, start: { command, args, options } } = workerData;
let child;
/** The request that waits for its reply: a number, and the timer that ends it. */
let waiting;

function start() {
  const started = spawn(command, args, options);
  // Nobody reads what it writes about its end.
  started.stderr?.resume();
  started.on("message", answer);
  const end = (reply) => {
    if (child !== started) return;
    child = undefined;
    if (waiting) answer({ ...reply, id: waiting.id });
  };
  started.on("error", (error) => end({ failed: error.message }));
  // "close" follows the last message, while "exit" may precede it.
  started.on("close", () => end({ died: true }));
  return started;
}

/** Drops a reply that nobody waits for any longer: it came while its process was being killed. */
function answer(reply) {
  if (reply.id !== waiting?.id) return;
  clearTimeout(waiting.timer);
  waiting = undefined;
  port.postMessage(reply);
  Atomics.store(state, 0, 1);
  Atomics.notify(state, 0);
}

/**
 * Kills the process after ten ticks. A machine that sleeps meanwhile lengthens one tick only, so that the job keeps the
 * rest of its time.
 */
function countDown(own, { id, killMs }, ticks = 10) {
  if (ticks > 0) return setTimeout(() => void (waiting.timer = countDown(own, { id, killMs }, ticks - 1)), killMs / 10);
  child = undefined;
  own.kill("SIGKILL");
  answer({ tooLong: true, id });
}

parentPort.on("message", (request) => {
  child ??= start();
  const own = child;
  clearTimeout(waiting?.timer);
  waiting = { id: request.id };
  waiting.timer = countDown(own, request);
  own.send(request, (error) => {
    // A process that has just ended reports that itself.
    if (error && child === own) own.kill("SIGKILL");
  });
});
`;
