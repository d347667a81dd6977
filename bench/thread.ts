/**
 * Claim: that graphs run in a thread of their own costs a training step and a generation next to nothing, and leaves the event loop free.
 *
 *   npx tsx bench/thread.ts            one minute
 *
 * The tiny model, 16 rows of 144 tokens, and 8 completions of 64 tokens. Two processes take turns: one as it is; in the other the thread's program
 * runs in the main thread, to which nothing is copied; weights are not shared there, so that AdamW stays in one thread as well. The lag is the longest time between two ticks of a timer of a millisecond during the work.
 */
import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";
import threads from "node:worker_threads";
import { onnxTrainer } from "../src/trainers/onnx";
import { median, type Rounds, reportRounds } from "./measure";
import { picturePrompts, withTinyModel } from "./model";
import { randomRows, trainingStep } from "./step";

const rounds = 9;
const works = ["training step", "generation"] as const;
const [rows, rowLength, maxTokens] = [16, 144, 64];
/** Milliseconds. */
interface Taken {
  readonly time: number;
  readonly lag: number;
}

if (process.argv[2] === undefined) await measureBoth();
else await serve(process.argv[2] === "inline");

async function measureBoth(): Promise<void> {
  const script = fileURLToPath(import.meta.url);
  const start = (mode: string) => fork(script, [mode], { execArgv: ["--import", "tsx"] });
  const [inline, thread] = [start("inline"), start("thread")];
  for (const child of [inline, thread]) {
    child.once("exit", (code) => {
      if (code !== 0) throw new Error("one of the two processes failed");
    });
    await once(child, "message");
  }
  const results: (Rounds & { readonly lags: readonly [number, number] })[] = [];
  for (const what of works) {
    for (const child of [inline, thread, inline, thread]) await ask(child, what);
    const taken: [Taken, Taken][] = [];
    for (let i = 0; i < rounds; i++) taken.push([await ask(inline, what), await ask(thread, what)]);
    const of = (side: 0 | 1, key: keyof Taken) => taken.map((round) => round[side][key]);
    const lags = [median(of(0, "lag")), median(of(1, "lag"))] as const;
    results.push({ what, a: of(0, "time"), b: of(1, "time"), lags });
  }
  for (const child of [inline, thread]) child.disconnect();
  const lagMs = Object.fromEntries(
    results.map(({ what, lags }) => [what, { inline: Math.round(lags[0]), thread: Math.round(lags[1]) }]),
  );
  reportRounds(
    "thread",
    ["inline", "thread"],
    results.map(({ what, a, b }) => ({ what, a, b })),
    { lagMs },
  );
  for (const { what, lags } of results)
    console.log(
      `${what}: longest wait of the event loop ${lags.map((ms) => `${ms.toFixed(0)} ms`).join(" inline, ")} with the thread`,
    );
}

async function ask(child: ChildProcess, what: string): Promise<Taken> {
  const answer = once(child, "message");
  child.send(what);
  return (await answer)[0] as Taken;
}

/** Does what it is asked to, until the parent goes. */
async function serve(inline: boolean): Promise<void> {
  if (inline) runGraphsInline();
  await withTinyModel(async (model) => {
    const work = await randomRows(model, rows, rowLength);
    const trainer = await onnxTrainer({ model: model.dir, device: "cpu", rowsAtOnce: rows });
    let seed = 0;
    const does: Readonly<Record<string, () => Promise<unknown>>> = {
      "training step": () => trainingStep(trainer, work),
      generation: () => trainer.sampler().generate(picturePrompts(8), { maxTokens, seed: seed++ }),
    };
    process.on("message", async (what: string) => process.send!(await lagging(does[what]!)));
    process.send!("ready");
    await once(process, "disconnect");
    await trainer.dispose();
  });
}

async function lagging(work: () => Promise<unknown>): Promise<Taken> {
  let lag = 0;
  let last = performance.now();
  const tick = () => {
    lag = Math.max(lag, performance.now() - last);
    last = performance.now();
  };
  const timer = setInterval(tick, 1);
  const start = performance.now();
  await work();
  const time = performance.now() - start;
  tick();
  clearInterval(timer);
  return { time, lag };
}

/** Replaces threads by one that runs its program here, and messages are handed over as they are. */
function runGraphsInline(): void {
  class Inline extends EventEmitter {
    readonly #port = new EventEmitter();
    constructor(program: string, { workerData }: { workerData: unknown }) {
      super();
      const parentPort = Object.assign(this.#port, {
        postMessage: (answer: unknown) => setImmediate(() => this.emit("message", answer)),
      });
      const require = createRequire(import.meta.url);
      const provide = (id: string) => (id === "node:worker_threads" ? { parentPort, workerData } : require(id));
      new Function("require", program)(provide);
    }
    postMessage(request: unknown): void {
      setImmediate(() => this.#port.emit("message", request));
    }
    ref(): void {}
    unref(): void {}
  }
  Object.assign(threads, { Worker: Inline });
  syncBuiltinESMExports();
  // Weights that are shared would be copied for each run, as only a thread needs them.
  const unshared = new Proxy(SharedArrayBuffer, {
    construct: (Shared, [bytes]) => (bytes > 8 ? new ArrayBuffer(bytes) : new Shared(bytes)),
  });
  Object.assign(globalThis, { SharedArrayBuffer: unshared });
}
