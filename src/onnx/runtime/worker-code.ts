/**
 * The program of the thread that runs graphs, as text: a worker file's path would differ between the sources, both
 * builds and any bundle of them. `workerData.state` is [in native code?, stop?].
 */
export const workerCode = `
const { parentPort, workerData } = require("node:worker_threads");
const { InferenceSession, Tensor } = require(workerData.runtime);
const { state } = workerData;
const sessions = new Map();
let next = 0;

const answers = {
  async create({ model, options }) {
    sessions.set(next, await native(() => InferenceSession.create(model, options)));
    return { value: next++ };
  },
  async run({ session, feeds }) {
    const tensors = {};
    for (const [name, { dtype, data, shape }] of Object.entries(feeds)) tensors[name] = new Tensor(dtype, own(name, data), shape);
    const results = await native(() => sessions.get(session).run(tensors));
    const value = {};
    for (const [name, { data, dims }] of Object.entries(results)) value[name] = { data, shape: dims };
    return { value, transfer: [...new Set(Object.values(value).map(({ data }) => data.buffer))] };
  },
  async release({ session }) {
    await sessions.get(session).release();
    sessions.delete(session);
    if (sessions.size === 0) {
      copies.clear();
      collectGarbage();
    }
    return {};
  },
};

/** Frees the trained weights that this thread's garbage refers to; an idle thread never collects it by itself. */
function collectGarbage() {
  const { setFlagsFromString } = require("node:v8");
  setFlagsFromString("--expose-gc");
  require("node:vm").runInNewContext("gc")();
  setFlagsFromString("--no-expose-gc");
}

/** onnxruntime rejects shared memory, so shared tensors (trained weights) are copied, always to the same place. */
const copies = new Map();
function own(name, data) {
  if (!(data.buffer instanceof SharedArrayBuffer)) return data;
  const copy = copies.get(name);
  if (copy?.length !== data.length) copies.set(name, data.slice());
  else copy.set(data);
  return copies.get(name);
}

async function native(work) {
  Atomics.store(state, 0, 1);
  try {
    if (Atomics.load(state, 1) === 0) return await work();
  } finally {
    Atomics.store(state, 0, 0);
    Atomics.notify(state, 0);
  }
  await new Promise(() => {});
}

// Requests run one after the other.
let last = Promise.resolve();
parentPort.on("message", (request) => {
  last = last.then(async () => {
    try {
      const { value, transfer } = await answers[request.ask](request);
      parentPort.postMessage({ id: request.id, value }, transfer);
    } catch (error) {
      parentPort.postMessage({ id: request.id, error });
    }
  });
});
`;
