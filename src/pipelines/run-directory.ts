import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors";
import type { Trainer } from "../trainers/trainer";
import type { StepMetrics } from "./events";

/**
 * What a run leaves behind: `config.json`, `rollouts.jsonl`, `metrics.jsonl`, `timings.jsonl`, `cots.jsonl`, `checkpoints/step-N/`.
 *
 * Rows are appended as they come. A checkpoint records how long the files were, so that a resumed run first cuts off what came after it
 * and then writes the same bytes again; only `timings.jsonl`, which holds what a clock said, differs.
 */
export interface RunDirectory {
  /** The checkpoint this run goes on from. */
  readonly resumed: { readonly step: number; readonly state: unknown } | undefined;
  /** All rows of `metrics.jsonl`, those of before the interruption included. */
  readonly metrics: readonly StepMetrics[];
  /** Directory of the policy's newest saved weights. */
  policy(): string | undefined;
  append(file: RowFile, rows: readonly object[]): Promise<void>;
  /** Replaces `cots.jsonl`. */
  writeCots(rows: readonly object[]): Promise<void>;
  /**
   * Writes `checkpoints/step-N/` so that it is there whole or not at all.
   * @param trainer saved with it; left out where the policy is that of the checkpoint before
   * @returns its path, or `undefined` for a run that is kept in memory
   */
  checkpoint(step: number, state: unknown, trainer?: Trainer): Promise<string | undefined>;
}

/** Files whose lengths a checkpoint records. */
const rowFiles = ["rollouts", "metrics"] as const;
type RowFile = (typeof rowFiles)[number] | "timings";

/**
 * Opens a directory for a new run, or for going on with the one in it.
 *
 * @param path `undefined` keeps the run in memory
 * @param config everything that decides what the run does, as JSON; it must be the same when the run is resumed
 * @throws CheckpointError for a directory that is in use without `resume`, that belongs to a run with another config, or is damaged
 */
export async function openRunDirectory(
  path: string | undefined,
  config: object,
  { resume = false }: { readonly resume?: boolean } = {},
): Promise<RunDirectory> {
  if (path === undefined) return inMemory();
  await mkdir(path, { recursive: true });
  const isNew = (await readdir(path)).every((name) => name.endsWith(".partial"));
  if (!isNew && !resume) {
    throw new CheckpointError(`${path} is not empty: pass resume: true to go on with the run in it, or another runDir`);
  }
  if (isNew) await writeAtomically(join(path, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  else await checkConfig(path, config);

  const last = await lastCheckpoint(path);
  const sizes = last?.state.bytes ?? { rollouts: 0, metrics: 0 };
  for (const file of rowFiles) await cutOff(join(path, `${file}.jsonl`), sizes[file]);
  const metrics = await readMetrics(join(path, "metrics.jsonl"));
  await keepLines(join(path, "timings.jsonl"), metrics.length);
  let policy = last?.state.policy;

  return {
    resumed: last && { step: last.state.step, state: last.state.pipeline },
    metrics,
    policy: () => (policy === undefined ? undefined : join(path, "checkpoints", policy)),

    async append(file, rows) {
      const text = jsonl(rows);
      await appendFile(join(path, `${file}.jsonl`), text);
      if (file !== "timings") sizes[file] += Buffer.byteLength(text);
      if (file === "metrics") metrics.push(...(rows as readonly StepMetrics[]));
    },

    writeCots: (rows) => writeAtomically(join(path, "cots.jsonl"), jsonl(rows)),

    async checkpoint(step, pipeline, trainer) {
      const name = `step-${step}`;
      const finished = join(path, "checkpoints", name);
      const partial = join(path, "checkpoints", `.${name}.partial`);
      await rm(partial, { recursive: true, force: true });
      await mkdir(partial, { recursive: true });
      await trainer?.save(partial);
      if (trainer) policy = name;
      for (const file of rowFiles) await flush(join(path, `${file}.jsonl`));
      const state: State = { step, ...(policy !== undefined && { policy }), bytes: sizes, pipeline };
      await writeFile(join(partial, "state.json"), `${JSON.stringify(state)}\n`);
      await flush(join(partial, "state.json"));
      await rename(partial, finished);
      return finished;
    },
  };
}

function inMemory(): RunDirectory {
  const metrics: StepMetrics[] = [];
  return {
    resumed: undefined,
    metrics,
    policy: () => undefined,
    async append(file, rows) {
      if (file === "metrics") metrics.push(...(rows as readonly StepMetrics[]));
    },
    writeCots: async () => {},
    checkpoint: async () => undefined,
  };
}

const stateSchema = z.object({
  step: z.int().positive(),
  /** Name of the checkpoint that holds the policy at this step. */
  policy: z.string().exactOptional(),
  bytes: z.object({ rollouts: z.int(), metrics: z.int() }),
  pipeline: z.unknown(),
});
type State = z.infer<typeof stateSchema>;

/** The newest complete checkpoint; one that was not finished is removed. */
async function lastCheckpoint(path: string): Promise<{ readonly state: State } | undefined> {
  const folder = join(path, "checkpoints");
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (name.endsWith(".partial")) await rm(join(folder, name), { recursive: true });
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  if (steps.length === 0) return undefined;
  const file = join(folder, `step-${Math.max(...steps)}`, "state.json");
  const state = stateSchema.safeParse(await readJson(file));
  if (!state.success) throw new CheckpointError(`${file} is not a checkpoint's state: ${z.prettifyError(state.error)}`);
  return { state: state.data };
}

async function checkConfig(path: string, config: object): Promise<void> {
  const file = join(path, "config.json");
  const stored = flatten(await readJson(file));
  const wanted = flatten(JSON.parse(JSON.stringify(config)));
  const differing = [...new Set([...stored.keys(), ...wanted.keys()])].filter(
    (key) => stored.get(key) !== wanted.get(key),
  );
  if (differing.length === 0) return;
  const list = differing.map(
    (key) => `${key} (${stored.get(key) ?? "absent"} there, ${wanted.get(key) ?? "absent"} here)`,
  );
  throw new CheckpointError(`${file} is of a run with other settings: ${list.join("; ")}`);
}

/** `{ a: { b: 1 } }` as a.b → 1, values as JSON. */
function flatten(value: unknown, key = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [name, child] of Object.entries(value)) flatten(child, key ? `${key}.${name}` : name, into);
  } else into.set(key, JSON.stringify(value));
  return into;
}

async function cutOff(file: string, bytes: number): Promise<void> {
  const found = await stat(file).then(
    ({ size }) => size,
    () => 0,
  );
  if (found < bytes)
    throw new CheckpointError(`${file} has ${found} bytes, but the last checkpoint was taken at ${bytes}`);
  if (found === 0) await writeFile(file, "");
  else await truncate(file, bytes);
}

/** What a clock said has no fixed length, but one line for each row of metrics. */
async function keepLines(file: string, count: number): Promise<void> {
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n").slice(0, count);
  await writeFile(file, lines.map((line) => `${line}\n`).join(""));
}

async function readMetrics(file: string): Promise<StepMetrics[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as StepMetrics);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new CheckpointError(`${file}: expected readable JSON of an earlier run: ${String(cause)}`, { cause });
  }
}

async function writeAtomically(file: string, text: string): Promise<void> {
  await writeFile(`${file}.partial`, text);
  await flush(`${file}.partial`);
  await rename(`${file}.partial`, file);
}

/** Through to the disk, so that a checkpoint that exists is one that can be trusted. */
async function flush(file: string): Promise<void> {
  const handle = await open(file, "r+");
  await handle.sync().finally(() => handle.close());
}

const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
