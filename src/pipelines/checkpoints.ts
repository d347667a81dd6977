import { mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors";
import { flush, readJson, sizeOf } from "./run-files";

/** Files whose lengths a checkpoint records. */
export const rowFiles = ["rollouts", "metrics"] as const;

const stateSchema = z.object({
  step: z.int().positive(),
  /** Step of the checkpoint that holds the policy at this step. */
  policy: z.int().exactOptional(),
  /** That it was written because the run was to stop: an uninterrupted one has none at this step. */
  isStop: z.literal(true).exactOptional(),
  /** The step with the highest held-out reward so far. */
  best: z.object({ step: z.int(), reward: z.number() }).exactOptional(),
  /** Lengths of the row files when the checkpoint was taken. */
  bytes: z.object({ rollouts: z.int(), metrics: z.int() }),
  /** Lengths of the files beside `state.json`: a checkpoint that lost some of them is not good. */
  files: z.record(z.string(), z.int()),
  pipeline: z.unknown(),
});
export type CheckpointState = z.infer<typeof stateSchema>;

export const checkpointPath = (run: string, step: number): string => join(run, "checkpoints", `step-${step}`);

/**
 * Writes `checkpoints/step-N/` under another name, through to the disk, and renames it: it is there whole or not at all.
 * @param save puts the trainer's files into a folder
 */
export async function writeCheckpoint(
  run: string,
  state: Omit<CheckpointState, "files">,
  save: ((folder: string) => Promise<void>) | undefined,
): Promise<void> {
  const folder = join(run, "checkpoints");
  const partial = join(folder, `.step-${state.step}.partial`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    await save?.(partial);
    const files: Record<string, number> = {};
    for (const name of await filesIn(partial)) {
      if (name === stateFile)
        throw new CheckpointError(
          `${partial}: the trainer saved a ${stateFile}, which is the name of the run's own file`,
        );
      await flush(join(partial, name));
      files[name] = (await sizeOf(join(partial, name)))!;
    }
    for (const file of rowFiles) await flush(join(run, `${file}.jsonl`));
    await writeFile(join(partial, stateFile), `${JSON.stringify({ ...state, files })}\n`);
    await flush(join(partial, stateFile));
    await rename(partial, checkpointPath(run, state.step));
    await flushFolder(folder);
  } catch (error) {
    // Makes room, where it was room that was short.
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

/**
 * The newest checkpoint that is whole; newer ones that are not, and what was left unfinished, are removed.
 * @returns also what was wrong with the newer ones
 * @throws CheckpointError when there are checkpoints and none is good
 */
export async function lastGoodCheckpoint(
  run: string,
): Promise<{ readonly state: CheckpointState | undefined; readonly damaged: readonly string[] }> {
  const folder = join(run, "checkpoints");
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (name.endsWith(".partial")) await rm(join(folder, name), { recursive: true });
  const damaged: string[] = [];
  const steps = await stepsIn(run);
  for (const [i, step] of steps.entries()) {
    const read = await readCheckpoint(run, step);
    if (typeof read === "string") {
      damaged.push(read);
      continue;
    }
    for (const newer of steps.slice(0, i)) await removeCheckpoint(run, newer);
    return { state: read, damaged };
  }
  if (damaged.length > 0) throw new CheckpointError(`no checkpoint in ${folder} is good: ${damaged.join("; ")}`);
  return { state: undefined, damaged };
}

/**
 * Removes all checkpoints but the newest `keep`, those with the weights they name, and the best. Those of `stops` count apart, and stay only
 * while no other is newer.
 */
export async function pruneCheckpoints(
  run: string,
  keep: number,
  { best, stops }: { readonly best: number | undefined; readonly stops: ReadonlySet<number> },
): Promise<void> {
  const steps = await stepsIn(run);
  const withWeights: number[] = [];
  for (const step of steps) if ((await filesIn(checkpointPath(run, step))).length > 1) withWeights.push(step);
  const regular = steps.filter((step) => !stops.has(step));
  const stopped = steps.filter((step) => stops.has(step) && step > (regular[0] ?? 0)).slice(0, keep);
  const newest = [...stopped, ...regular.slice(0, keep)];
  const weights = newest.map((step) => withWeights.find((candidate) => candidate <= step));
  const kept = new Set([...newest, ...weights, best]);
  for (const step of steps) if (!kept.has(step)) await removeCheckpoint(run, step);
}

/** Steps of the checkpoints that were written because the run was to stop. */
export async function stopsIn(run: string): Promise<Set<number>> {
  const stops = new Set<number>();
  for (const step of await stepsIn(run)) {
    const state = await readCheckpoint(run, step);
    if (typeof state !== "string" && state.isStop) stops.add(step);
  }
  return stops;
}

const stateFile = "state.json";

/** Newest first. */
async function stepsIn(run: string): Promise<readonly number[]> {
  const names = await readdir(join(run, "checkpoints")).catch(() => []);
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => b - a);
}

/** A checkpoint's state, or what is wrong with it. */
async function readCheckpoint(run: string, step: number): Promise<CheckpointState | string> {
  const folder = checkpointPath(run, step);
  const file = join(folder, stateFile);
  const stored = await readJson(file).catch((error: CheckpointError) => error);
  if (stored instanceof CheckpointError) return stored.message;
  const { data: state, error } = stateSchema.safeParse(stored);
  if (error) return `${file} is not a checkpoint's state: ${z.prettifyError(error)}`;
  for (const [name, bytes] of Object.entries(state.files)) {
    const found = await sizeOf(join(folder, name));
    if (found !== bytes) return `${join(folder, name)} has ${found ?? "no"} bytes, but was saved with ${bytes}`;
  }
  for (const name of rowFiles) {
    const rows = join(run, `${name}.jsonl`);
    const found = (await sizeOf(rows)) ?? 0;
    if (found < state.bytes[name])
      return `${rows} has ${found} bytes, but the checkpoint of step ${step} was taken at ${state.bytes[name]}`;
  }
  if (state.policy === undefined || state.policy === step) return state;
  const weights = await readCheckpoint(run, state.policy);
  return typeof weights === "string" ? weights : state;
}

/** In one move first, so that nobody finds half of it. */
async function removeCheckpoint(run: string, step: number): Promise<void> {
  const partial = join(run, "checkpoints", `.step-${step}.partial`);
  await rename(checkpointPath(run, step), partial);
  await rm(partial, { recursive: true });
}

/** Paths of all files below a folder, relative to it. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** So that a new name is on the disk, too; Windows has no such call, and needs none. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle
    ?.sync()
    .catch(() => {})
    .finally(() => handle.close());
}
