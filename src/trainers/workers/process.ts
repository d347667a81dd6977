import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ConfigError, EngineError } from "../../errors";
import { withoutSecrets } from "../../remote/secrets";
import type { TorchSettings } from "./options";
import { checkPython, defaultPython, pythonFolder } from "./python";

/** The processes behind a trainer. */
export interface Workers {
  readonly url: string;
  readonly token: string;
  /** How they ended, in words; pending as long as they run. Absent for workers of others. */
  readonly ended?: Promise<string>;
  /** The ranks' processes, once they are known. */
  readonly pids: number[];
  /** Ends them at once, even if they hang. */
  kill(): void;
  /** Waits until they have ended, and ends them if that takes more than ten seconds. */
  close(): Promise<void>;
}

/**
 * Starts the workers of a checkpoint directory.
 * @throws ConfigError for a Python that cannot run them; EngineError for workers that do not start
 */
export async function startWorkers(dir: string, settings: TorchSettings): Promise<Workers> {
  const python = settings.python ?? defaultPython();
  const { problems, install } = await checkPython(python);
  if (problems.length > 0) throw new ConfigError(`torchTrainer: ${python}: ${problems.join("; ")}; run: ${install}`);
  const scratch = await mkdtemp(join(tmpdir(), "rise-torch-"));
  const ready = join(scratch, "ready.json");
  const token = randomBytes(32).toString("hex");
  const child = spawnWorkers(python, ready, token, workerOptions(dir, settings), settings.processes);
  const end = watchEnd(child, [token]);
  const waiting = new AbortController();
  try {
    const address = await Promise.race([
      readReady(ready, settings.startMs, waiting.signal),
      end.then((words) => {
        throw new EngineError(
          `torchTrainer: expected ${settings.processes} ${settings.processes === 1 ? "process" : "processes"} to start, but ${words}`,
        );
      }),
    ]);
    const pids: number[] = [];
    const kill = () => killAll(child, pids);
    return { ...address, token, ended: end, pids, kill, close: () => closeWorkers(child, kill) };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    waiting.abort();
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Joins workers that others started.
 * @throws ConfigError without their token; EngineError if the ready file does not come
 */
export async function joinWorkers(ready: string, startMs: number): Promise<Workers> {
  const token = process.env.RISE_TORCH_TOKEN;
  if (!token)
    throw new ConfigError(
      "torchTrainer: expected the workers' token in RISE_TORCH_TOKEN, got none; export the same one before both are started",
    );
  const address = await readReady(resolve(ready), startMs);
  return { ...address, token, pids: [], kill: () => {}, close: async () => {} };
}

/** The options of rise_torch.py. Without a device, the workers choose. */
function workerOptions(model: string, settings: TorchSettings): string[] {
  const { lora, shard, attention, gradientCheckpointing, seed, device, precision } = settings;
  const options = { model, shard, attention, precision, seed: String(seed) };
  return [
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ...(lora ? ["--lora", JSON.stringify(lora)] : []),
    ...(gradientCheckpointing ? ["--gradient-checkpointing"] : []),
    ...(device === "auto" ? [] : ["--device", device]),
  ];
}

function spawnWorkers(
  python: string,
  ready: string,
  token: string,
  options: readonly string[],
  processes: number,
): ChildProcess {
  const several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", String(processes)];
  const script = [join(pythonFolder(), "rise_torch.py"), ...options, "--ready", ready, "--owned"];
  const threads = String(Math.max(1, Math.floor(availableParallelism() / processes)));
  const child = spawn(python, [...(processes > 1 ? several : []), ...script], {
    env: {
      OMP_NUM_THREADS: threads,
      HF_HUB_OFFLINE: "1",
      TOKENIZERS_PARALLELISM: "false",
      ...process.env,
      RISE_TORCH_TOKEN: token,
    },
    // Nothing is written into stdin: the workers end when it does, even if this process is killed.
    stdio: ["pipe", "pipe", "pipe"],
    // Ctrl-C is for this process, which saves a checkpoint before it ends the workers.
    detached: true,
  });
  // A program that has forgotten its trainer may end; a call under way keeps it alive.
  for (const each of [child, child.stdin, child.stdout, child.stderr])
    (each as unknown as { unref?(): void } | null)?.unref?.();
  return child;
}

/** Bytes of the workers' output that are kept. */
const keptOutput = 1_000_000;

/** The way that the processes ended, once they have. */
function watchEnd(child: ChildProcess, secrets: readonly string[]): Promise<string> {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-keptOutput);
    });
  return new Promise((settle) => {
    child.on("error", (error) => settle(`they did not start: ${error.message}`));
    const end = (code: number | null, signal: string | null) =>
      settle(withoutSecrets(causeOf(output, code, signal), secrets));
    child.on("close", end);
    // "close" waits for the output, which other processes may hold open.
    child.on("exit", (code, signal) => setTimeout(end, 500, code, signal));
  });
}

/** The rank that failed first as torchrun reports it, Python's last words, and the lines that explain them. */
function causeOf(output: string, code: number | null, signal: string | null): string {
  const failures = [...output.matchAll(/\brank\s*:\s*(\d+) .*?\bexitcode\s*:\s*(-?\d+)/gs)].reverse();
  // torchrun ends the others with signal 15, and may name one of them first.
  const [, rank, exit] = failures.find(([, , exit]) => exit !== "-15") ?? failures[0] ?? [];
  const killed = exit === undefined ? signal : exit.startsWith("-") ? `signal ${exit.slice(1)}` : undefined;
  const who = rank === undefined ? "the process" : `rank ${rank}`;
  const how = killed ? `was ended by ${killed}` : `ended with exit code ${exit ?? code}`;
  const outside = /\b(?:9|SIGKILL)$/.test(killed ?? "")
    ? ", by a person, a scheduler, or a system short of memory"
    : "";
  const lines = explaining(output, rank);
  // A killed rank says nothing; the others then lose their connections.
  const own = killed ? undefined : lines.findLast((line) => lastWords.test(line.trim()));
  return [
    `${who} ${how}${outside}${own ? `: ${own.trim().slice(0, 500)}` : ""}`,
    ...(lines.length > 0
      ? ["The last lines of the workers:", ...lines.slice(-8).map((line) => `  ${line.slice(0, 300)}`)]
      : []),
  ].join("\n");
}

const lastWords = /^(?:rise_torch(?:\.py: error)?:|[\w.]*(?:Error|Exception|Broken|Interrupt)\b)/;

/** The lines of a rank, or else those of all ranks, without the report of torchrun about them. */
function explaining(output: string, rank: string | undefined): readonly string[] {
  const lines = output.slice(0, output.match(torchrunReport)?.index).split("\n");
  const own = lines.filter((line) => rank !== undefined && rankPrefix.exec(line)?.[1] === rank);
  return (own.length > 0 ? own : lines)
    .map((line) => line.replace(rankPrefix, ""))
    .filter((line, i, all) => !/^[=\-~^\s]*$/.test(line) && line !== all[i - 1]);
}

const rankPrefix = /^\[rank(\d+)\]:\s?/;
const torchrunReport =
  /^(?:[A-Z]\d{4} \S+ \d+ torch\/distributed\/elastic\/|Traceback \(most recent call last\):\n {2}File "<frozen runpy>")/m;

/**
 * Waits for the ready file, which appears whole. An earlier job's file lies there until this one's takes its place. The
 * signal ends the wait.
 */
async function readReady(path: string, startMs: number, signal?: AbortSignal): Promise<{ readonly url: string }> {
  let found: string | undefined;
  for (let waited = 0; waited < startMs; waited += 100) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) {
      const address = parseReady(path, text);
      if (await accepts(address.url)) return address;
      found = address.url;
    }
    await wait(100, undefined, { signal });
  }
  const problem = found === undefined ? "and they did not" : `and nobody listens at ${found}, which it names`;
  throw new EngineError(`torchTrainer: expected the workers to write ${path} within ${startMs} ms, ${problem}`);
}

/** Whether somebody listens at an address. */
function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((done) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => end(true));
    const end = (isOpen: boolean) => {
      socket.destroy();
      done(isOpen);
    };
    socket.setTimeout(5000, () => end(false));
    socket.on("error", () => end(false));
  });
}

function parseReady(path: string, text: string): { readonly url: string } {
  try {
    const { protocol, url } = JSON.parse(text) as { readonly protocol?: unknown; readonly url?: unknown };
    if (protocol === 1 && typeof url === "string" && new URL(url).protocol === "http:") return { url };
  } catch {
    // The error below says it.
  }
  throw new EngineError(
    `${path}: expected { "protocol": 1, "url": "http://…" }, got ${text.slice(0, 200)}; start the workers with the rise_torch.py of this version`,
  );
}

/** torchrun's ranks are in sessions of their own. */
function killAll(child: ChildProcess, pids: readonly number[]): void {
  if (!child.kill("SIGKILL")) return;
  for (const pid of pids)
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
}

async function closeWorkers(child: ChildProcess, kill: () => void): Promise<void> {
  const closed = new Promise<void>((done) => {
    if (child.exitCode !== null || child.signalCode !== null) done();
    else child.on("exit", () => done());
  });
  const timer = new AbortController();
  const late = wait(10_000, undefined, { signal: timer.signal }).then(kill, () => {});
  await Promise.race([closed, late.then(() => closed)]);
  timer.abort();
}
