/*
 * Two programs as text, as in src/onnx/runtime/worker-code.ts: a file's path would differ between the sources, both
 * builds and any bundle of them.
 */

/** The jobs of the process that runs other people's tokenizers and templates; null for a tokenizer that it lacks. */
export const tokenizerJobs = `([transformers]) => {
  const { PreTrainedTokenizer } = require(transformers);
  const mostOpen = 4;
  const mostLetters = 2 ** 24;
  const opened = new Map();
  const bounded = (value, what) => {
    if (value.length > mostLetters) throw new Error("it makes more than " + mostLetters + what);
    return value;
  };
  const ifOpen = (run) => ({ key, ...rest }) => (opened.has(key) ? run(opened.get(key), rest) : null);
  const tokens = (tokenizer, pieces) => {
    const some = pieces.filter((piece) => piece !== "");
    return bounded(some.flatMap((piece) => tokenizer.encode(piece, { add_special_tokens: false })), " tokens");
  };
  return {
    open({ key, json, settings, template }) {
      opened.set(key, new PreTrainedTokenizer(JSON.parse(json), { ...JSON.parse(settings), chat_template: template }));
      if (opened.size > mostOpen) opened.delete(opened.keys().next().value);
    },
    prompt: ifOpen((tokenizer, { chat, seam }) => {
      const settings = { tokenize: false, add_generation_prompt: true };
      const text = bounded(tokenizer.apply_chat_template(chat, settings), " letters of a prompt");
      return tokens(tokenizer, text.split(seam));
    }),
    encode: ifOpen((tokenizer, { pieces }) => tokens(tokenizer, pieces)),
    decode: ifOpen((tokenizer, { rows }) => {
      const settings = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      return rows.map((ids) => bounded(tokenizer.decode(ids, settings), " letters"));
    }),
  };
}`;

/**
 * The thread that starts the process and passes requests on. The caller waits at \`workerData.state\`, [answered?], and
 * so needs no event loop.
 */
export const threadProgram = `
const { parentPort, workerData } = require("node:worker_threads");
const { spawn } = require("node:child_process");
const { state, port, start: { command, args, options } } = workerData;
let child;
let isAsked = false;

function start() {
  const started = spawn(command, args, options);
  let lastWords = "";
  started.stderr?.setEncoding("utf8").on("data", (text) => {
    lastWords = (lastWords + text).slice(0, 1000);
  });
  started.on("message", answer);
  const end = (reply) => {
    if (child !== started) return;
    child = undefined;
    answer(reply);
  };
  started.on("error", ({ message }) => end({ failed: message }));
  // "close" follows the last message, while "exit" may precede it.
  started.on("close", () => end({ lastWords }));
  return started;
}

function answer(reply) {
  if (!isAsked) return;
  isAsked = false;
  port.postMessage(reply);
  Atomics.store(state, 0, 1);
  Atomics.notify(state, 0);
}

process.on("uncaughtException", ({ message }) => answer({ failed: message }));
parentPort.on("message", (request) => {
  isAsked = true;
  child ??= start();
  // A process that has just ended, or could not start, reports that itself.
  child.send?.(request, () => {});
});
`;
