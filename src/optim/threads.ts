import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { TrainingError } from "../errors";
import { isShared } from "./shared-tensors";

type Arrays = readonly [Float32Array, ...Float32Array[]];
type Scalars = Readonly<Record<string, number>>;

/**
 * A loop over arrays of one length that treats each index on its own and reads no other. Other threads get its source,
 * so it can name nothing outside itself.
 */
export type Loop<A extends Arrays = Arrays, S extends Scalars = Scalars> = (arrays: A, scalars: S) => void;

/** Arrays for a loop, and its constants. */
interface Run<A extends Arrays = Arrays, S extends Scalars = Scalars> {
  readonly arrays: A;
  readonly scalars: S;
}

/** Below this many elements the message costs more than it saves. */
const worthwhile = 200_000;
/** More threads would wait for memory. */
const mostThreads = 8;
/** Milliseconds without work after which threads end and release the arrays they saw last. */
const idle = 10_000;

/**
 * Runs `loop` over everything, in this thread and in helper threads, and returns when all is done. The result does not
 * depend on the number of helpers. Helpers start with the first work that is large enough and take part once they are
 * up; unshared arrays stay in this thread.
 * @throws TrainingError when a helper could not do its part
 */
export function runInThreads<A extends Arrays, S extends Scalars>(
  loop: Loop<A, S>,
  runs: readonly Run<NoInfer<A>, NoInfer<S>>[],
): void {
  const merged = mergeNeighbours(runs);
  const total = merged.reduce((sum, { arrays }) => sum + arrays[0].length, 0);
  const allShared = merged.every(({ arrays }) => arrays.every(isShared));
  const ready = allShared && total >= worthwhile ? readyHelpers() : [];
  const share = Math.ceil(total / (ready.length + 1) / 16) * 16;
  ready.forEach((helper, i) => {
    ask(helper, String(loop), between(merged, (i + 1) * share, (i + 2) * share));
  });
  for (const { arrays, scalars } of between(merged, 0, ready.length > 0 ? share : total)) loop(arrays, scalars);
  // A helper that was held up between finishing its last work and saying so may wake this thread too early.
  for (const { state } of ready) while (Atomics.load(state, work) === working) Atomics.wait(state, work, working);
  if (ready.some(({ state }) => Atomics.load(state, work) === failed))
    throw new TrainingError(
      "a loop could not run in another thread, and its arrays are half done: expected a function whose source names nothing outside itself (does something rewrite the sources?)",
    );
}

/** Merges runs that are adjacent in memory. */
function mergeNeighbours<A extends Arrays, S extends Scalars>(runs: readonly Run<A, S>[]): Run<A, S>[] {
  const merged: { arrays: A; scalars: S }[] = [];
  for (const { arrays, scalars } of runs) {
    const last = merged.at(-1);
    const goesOn =
      last !== undefined &&
      arrays.every((array, i) => follows(last.arrays[i]!, array)) &&
      Object.entries(scalars).every(([name, value]) => last.scalars[name] === value);
    if (goesOn) last.arrays = each(last.arrays, (array, i) => joined(array, arrays[i]!));
    else merged.push({ arrays, scalars });
  }
  return merged;
}

const follows = (a: Float32Array, b: Float32Array) =>
  a.buffer === b.buffer && a.byteOffset + a.byteLength === b.byteOffset;

const joined = (a: Float32Array, b: Float32Array) => new Float32Array(a.buffer, a.byteOffset, a.length + b.length);

const each = <A extends Arrays>(arrays: A, f: (array: Float32Array, i: number) => Float32Array) =>
  arrays.map(f) as readonly Float32Array[] as A;

/** The elements from `start` to `end`, counted over all runs. */
function between<A extends Arrays, S extends Scalars>(
  runs: readonly Run<A, S>[],
  start: number,
  end: number,
): Run<A, S>[] {
  let at = 0;
  return runs.flatMap(({ arrays, scalars }) => {
    const { length } = arrays[0];
    const [from, to] = [Math.max(start - at, 0), Math.min(end - at, length)];
    at += length;
    return from < to ? [{ arrays: each(arrays, (array) => array.subarray(from, to)), scalars }] : [];
  });
}

/** A thread that runs loops for this one. */
interface Helper {
  readonly worker: Worker;
  /** [whether it is up, the status of its work] */
  readonly state: Int32Array;
}

const [up, work] = [0, 1];
const [done, working, failed] = [0, 1, 2];

/** The helper's program, as text: a file's path would differ between the sources and both builds. */
const program = `
const { parentPort, workerData: { state } } = require("node:worker_threads");
parentPort.on("message", ({ loop, runs }) => {
  let outcome = ${failed};
  try {
    const compiled = compile(loop);
    for (const { arrays, scalars } of runs) compiled(arrays, scalars);
    outcome = ${done};
  } catch {}
  Atomics.store(state, ${work}, outcome);
  Atomics.notify(state, ${work});
});
const known = new Map();
function compile(source) {
  if (!known.has(source)) known.set(source, new Function("return " + source)());
  return known.get(source);
}
Atomics.store(state, ${up}, 1);
`;

let helpers: Helper[] | undefined;
let ending: NodeJS.Timeout | undefined;

function readyHelpers(): Helper[] {
  helpers ??= Array.from({ length: Math.min(availableParallelism(), mostThreads) - 1 }, start);
  clearTimeout(ending);
  ending = setTimeout(endThreads, idle).unref();
  return helpers.filter(({ state }) => Atomics.load(state, up) === 1);
}

function start(): Helper {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(program, { eval: true, execArgv: [], workerData: { state } });
  worker.unref();
  // A failed helper gets no more work.
  worker.on("error", () => Atomics.store(state, up, 0));
  return { worker, state };
}

function ask({ worker, state }: Helper, loop: string, runs: readonly Run[]): void {
  Atomics.store(state, work, working);
  worker.postMessage({ loop, runs });
}

/** Ends the helpers, whose heaps refer to the arrays that they saw; the next large work starts others. */
export function endThreads(): void {
  for (const { worker } of helpers ?? []) void worker.terminate();
  helpers = undefined;
}
