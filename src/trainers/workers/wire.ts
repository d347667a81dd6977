import { request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import {
  BackendError,
  CheckpointError,
  ConfigError,
  DataError,
  EngineError,
  type RiseError,
  ShapeError,
  TrainingError,
} from "../../errors";
import type { Workers } from "./process";

/** The longest body, of a call and of an answer. */
const mostBytes = 2 ** 30;
/** After a broken connection the end of the processes is awaited: it has the reason. torchrun takes two seconds. */
const endMs = 20_000;

/** Sends one call and gives its answer, which is an object. */
export type Ask = (call: string, args?: object, signal?: AbortSignal) => Promise<Readonly<Record<string, unknown>>>;

/**
 * Opens the way to rise_torch.py. A call is never sent twice.
 * @param callMs the longest wait for an answer
 * @throws EngineError from a call if the workers ended or do not answer; else the error that they report, or the
 * signal's reason
 */
export function openWire(workers: Workers, callMs: number): Ask {
  let calls = 0;
  let dead: EngineError | undefined;
  const underWay = new Map<number, string>();
  const die = (call: string, problem: string) => {
    dead ??= new EngineError(`torchTrainer, ${call}: ${problem}\nRun the same command again with resume: true`);
    return dead;
  };
  void workers.ended?.then((words) => {
    const [call] = underWay.values();
    die(call ?? "between two calls", call ? `expected an answer, but ${words}` : words);
  });
  return async (call, args = {}, signal) => {
    signal?.throwIfAborted();
    if (dead) throw dead;
    const id = ++calls;
    underWay.set(id, call);
    const body = bodyOf({ id, call, args });
    let abort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        void post(workers, bodyOf({ id: 0, call: "abort", args: { id } }), 5000).catch(() => {});
        reject(signal?.reason);
      };
    });
    signal?.addEventListener("abort", abort, { once: true });
    const answered = post(workers, body, callMs);
    // A call that its caller has left behind may fail later.
    answered.catch(() => {});
    try {
      return readAnswer(call, await Promise.race([answered, aborted]));
    } catch (error) {
      if (!(error instanceof ConnectionProblem)) throw error;
      const words = error.isLate ? undefined : await endWithin(endMs, workers);
      if (words !== undefined) throw die(call, `expected an answer, but ${words}`);
      const places = error.isLate ? await progressOf(workers) : "";
      workers.kill();
      throw die(call, `expected an answer, got ${error.message}${places}`);
    } finally {
      underWay.delete(id);
      signal?.removeEventListener("abort", abort);
    }
  };
}

/** The connection broke, or nothing came in time. */
class ConnectionProblem extends Error {
  constructor(
    message: string,
    readonly isLate = false,
  ) {
    super(message);
  }
}

/** How the processes ended; `undefined` if nobody knows in time. */
async function endWithin(ms: number, { ended }: Workers): Promise<string | undefined> {
  const timer = new AbortController();
  return Promise.race([ended, ended && wait(ms, undefined, { signal: timer.signal })]).finally(() => timer.abort());
}

function bodyOf(call: object): Buffer {
  try {
    const body = Buffer.from(JSON.stringify(call));
    if (body.length <= mostBytes) return body;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new ConfigError(
    `torchTrainer: expected a call of at most ${mostBytes} bytes, got more; give images as paths, or fewer sequences at once`,
  );
}

/** Without `fetch`, which gives up after five minutes without headers. */
function post({ url, token }: Workers, body: Buffer, limitMs: number): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      "Content-Length": body.length,
    };
    const sent = request(url, { method: "POST", headers, agent: false });
    const limit = setTimeout(() => fail(new ConnectionProblem(`none within ${limitMs} ms`, true)), limitMs);
    const fail = (error: Error) => {
      clearTimeout(limit);
      sent.destroy();
      reject(error);
    };
    sent.on("error", (error) => fail(new ConnectionProblem(`a broken connection (${error.message})`)));
    sent.on("response", (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on("data", (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > mostBytes) fail(new BackendError(`torchTrainer: expected an answer of at most ${mostBytes} bytes`));
      });
      response.on("error", (error) => fail(new ConnectionProblem(`a broken answer (${error.message})`)));
      response.on("end", () => {
        clearTimeout(limit);
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString("utf8") });
      });
    });
    sent.end(body);
  });
}

function readAnswer(call: string, { status, text }: { status: number; text: string }) {
  const json = parsed(text);
  if (status === 200 && json) return json;
  // Its end is the connection's, so a process that is killed cuts it off.
  if (status === 200 && /^(?:\{|$)/.test(text))
    throw new ConnectionProblem(`the first ${text.length} characters of one`);
  const said = json?.error ?? text.slice(0, 300);
  if (status === 500 && Array.isArray(said) && said.length > 0) throw reported(call, said as Problem[]);
  const advice = status === 401 ? "; RISE_TORCH_TOKEN must be the same for the workers and this program" : "";
  throw new BackendError(`torchTrainer, ${call}: expected an answer, got HTTP ${status}: ${String(said)}${advice}`, {
    scope: "backend",
  });
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null && !Array.isArray(json) ? { ...json } : undefined;
  } catch {
    return undefined;
  }
}

interface Problem {
  readonly rank: number;
  readonly type: string;
  readonly message: string;
  readonly trace: string;
}

const kinds: Readonly<Record<string, new (message: string) => RiseError>> = {
  CheckpointError,
  DataError,
  ShapeError,
  TrainingError,
};

/** The error of the first rank that failed. All ranks have forgotten the gradient, and wait for the next call. */
function reported(call: string, problems: readonly Problem[]): Error {
  const { rank, type, message, trace } = problems[0]!;
  const Kind = Object.hasOwn(kinds, type) ? kinds[type]! : undefined;
  const ranks = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  if (Kind) return new Kind(`torchTrainer, ${call}, rank ${rank}${ranks}: ${message}`);
  const advice =
    type === "OutOfMemory"
      ? '; try fewer rowsAtOnce or sampledAtOnce, gradientCheckpointing, smaller images, lora, or shard: "fsdp"'
      : "";
  const code = trace.split("\n").filter((line) => !/^[\s^~]*$/.test(line));
  const lines = code.length > 0 ? `\n${code.slice(-6).join("\n")}` : "";
  return new BackendError(`torchTrainer, ${call}, rank ${rank}${ranks}: ${type}: ${message}${advice}${lines}`, {
    scope: "backend",
  });
}

/** Asks where each rank stands, for the message about one that hangs. */
async function progressOf(workers: Workers): Promise<string> {
  const answer = await post(workers, bodyOf({ id: 0, call: "progress", args: {} }), 2000).catch(() => undefined);
  const places = Object.entries(parsed(answer?.text ?? "") ?? {});
  if (places.length === 0) return "; the workers do not say where they are";
  return `; ${places.map(([rank, place]) => `rank ${rank} is at "${String(place)}"`).join(", ")}`;
}
