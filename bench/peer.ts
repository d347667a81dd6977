import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { writeSafetensors } from "../src/models/files/safetensors";
import { median, type Rounds } from "./measure";

/** A Python process that does a piece of work whenever it is asked to. */
export interface Peer {
  /** Its own description when it was ready. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** @returns its answer, with the time that the work took */
  ask(request: unknown): Promise<Answer>;
}

type Answer = Readonly<Record<string, number>> & { readonly ms: number };

/** The same work on both sides. */
export interface Work<Result = unknown> {
  readonly what: string;
  ours(): Result | Promise<Result>;
  /** The peer's tasks, by the way it does them: the fastest counts. */
  readonly requests: Readonly<Record<string, unknown>>;
  /** Throws if the answer belongs to other work. */
  check?(ours: Result, answer: Answer, way: string): void;
}

/**
 * Starts a script of bench/reference with RISE_PYTHON, else python3, for as long as `use` takes. It gets `work` as JSON, with the number of threads, and `arrays`
 * as safetensors, writes a line of JSON about itself, and then for each line that it reads one.
 */
export async function withPeer<T>(
  script: string,
  work: Readonly<Record<string, unknown>>,
  arrays: Parameters<typeof writeSafetensors>[1],
  use: (peer: Peer) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "rise-bench-"));
  const [settings, tensors] = [join(dir, "work.json"), join(dir, "arrays.safetensors")];
  await writeFile(settings, JSON.stringify({ threads: availableParallelism(), ...work }));
  await writeSafetensors(tensors, arrays);
  const path = fileURLToPath(new URL(`reference/${script}`, import.meta.url));
  const python = spawn(process.env.RISE_PYTHON ?? "python3", [path, settings, tensors], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  // A Python that is not there ends without a line.
  python.on("error", () => {});
  const lines = createInterface(python.stdout)[Symbol.asyncIterator]();
  async function read(): Promise<Record<string, unknown>> {
    const { value, done } = await lines.next();
    if (done)
      throw new Error(
        `RISE_PYTHON: expected a Python that has what bench/reference/${script} imports, got one that ended`,
      );
    return JSON.parse(value);
  }
  try {
    const facts = await read();
    const ask = async (request: unknown) => {
      python.stdin.write(`${JSON.stringify(request)}\n`);
      return (await read()) as Answer;
    };
    return await use({ facts, ask });
  } finally {
    python.kill();
    await rm(dir, { recursive: true });
  }
}

/** Milliseconds: threads of a turn that is over may still spin for a while, waiting for more to do. */
const pause = 100;

/** Both sides in turn, round after round, each on idle cores; the times of the peer's fastest way are kept. */
export async function inTurn<Result>(
  peer: Peer,
  { what, ours, requests, check }: Work<Result>,
  rounds = 7,
  warmups = 2,
): Promise<Rounds> {
  const a: number[] = [];
  const ways = Object.entries(requests).map(([way, request]) => ({ way, request, times: [] as number[] }));
  for (let i = -warmups; i < rounds; i++) {
    await setTimeout(pause);
    const start = performance.now();
    const result = await ours();
    const taken = performance.now() - start;
    if (i >= 0) a.push(taken);
    for (const { way, request, times } of ways) {
      await setTimeout(pause);
      const answer = await peer.ask(request);
      check?.(result, answer, way);
      if (i >= 0) times.push(answer.ms);
    }
  }
  const { way, times } = ways.reduce((best, each) => (median(each.times) < median(best.times) ? each : best));
  return { what: ways.length > 1 ? `${what} (${way})` : what, a, b: times };
}
