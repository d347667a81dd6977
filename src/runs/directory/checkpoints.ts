import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../../errors";
import { filesBelow } from "../../files/below";
import { sumsFile, sumsProblem, writeSums } from "../../files/checksums";
import { flush, flushBelow, flushFolder } from "../../files/flush";
import { once } from "../../options/once";
import { readJson, sizeOf } from "./files";

/** Files whose lengths a checkpoint records. */
export const rowFiles = ["rollouts", "metrics"] as const;

const stateSchema = once(() =>
  z.object({
    step: z.int().positive(),
    /** Step of the checkpoint that holds the policy at this step. */
    policy: z.int().exactOptional(),
    /** It was written only because the run had to stop; an uninterrupted run has no checkpoint at this step. */
    isStop: z.literal(true).exactOptional(),
    /** The step with the highest held-out reward so far. */
    best: z.object({ step: z.int(), reward: z.number() }).exactOptional(),
    /** Lengths of the row files when the checkpoint was taken. */
    bytes: z.object({ rollouts: z.int(), metrics: z.int() }),
    pipeline: z.unknown(),
  }),
);
export type CheckpointState = z.infer<ReturnType<typeof stateSchema>>;

export const checkpointFolder = (run: string): string => join(run, "checkpoints");
export const checkpointPath = (run: string, step: number): string => join(checkpointFolder(run), `step-${step}`);

/**
 * Writes `checkpoints/step-N/` under another name, with the digests of its files, flushes it and renames it, so that it
 * appears complete or not at all.
 * @param save writes the trainer's files into a folder
 * @param check throws if this run may not write here any more; called at the beginning, and before the rename
 */
export async function writeCheckpoint(
  run: string,
  state: CheckpointState,
  save: ((folder: string) => Promise<void>) | undefined,
  check: () => Promise<void>,
): Promise<void> {
  const folder = checkpointFolder(run);
  const partial = join(folder, `.step-${state.step}.partial`);
  await check();
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    await save?.(partial);
    const saved = await filesBelow(partial);
    const taken = ownFiles.find((name) => saved.includes(name));
    if (taken !== undefined)
      throw new CheckpointError(`${partial}: the trainer saved a ${taken}, which is the name of the run's own file`);
    await writeFile(join(partial, stateFile), `${JSON.stringify(state)}\n`);
    await writeSums(partial, [...saved, stateFile]);
    await flushBelow(partial);
    for (const file of rowFiles) await flush(join(run, `${file}.jsonl`));
    await check();
    // An error may have left a checkpoint of this step.
    if ((await stepsIn(run)).includes(state.step)) await removeCheckpoint(run, state.step);
    await rename(partial, checkpointPath(run, state.step));
    await flushFolder(folder);
    await flushFolder(run);
  } catch (error) {
    // Makes room if the disk is full. An error in doing so does not hide the first one, and another process's folder
    // stays.
    await check()
      .then(() => rm(partial, { recursive: true, force: true }))
      .catch(() => {});
    throw error;
  }
}

/**
 * Finds the newest intact checkpoint, and removes damaged newer ones and unfinished ones.
 * @returns its state, and the damage of the newer ones
 * @throws CheckpointError if there are checkpoints, but all are damaged
 */
export async function lastGoodCheckpoint(
  run: string,
): Promise<{ readonly state: CheckpointState | undefined; readonly problems: readonly string[] }> {
  const folder = checkpointFolder(run);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (name.endsWith(".partial")) await rm(join(folder, name), { recursive: true });
  const problems: string[] = [];
  const steps = await stepsIn(run);
  for (const [i, step] of steps.entries()) {
    const read = await readCheckpoint(run, step);
    if (typeof read === "string") {
      problems.push(read);
      continue;
    }
    for (const newer of steps.slice(0, i)) await removeCheckpoint(run, newer);
    return { state: read, problems };
  }
  if (problems.length > 0) throw new CheckpointError(`no checkpoint in ${folder} is good: ${problems.join("; ")}`);
  return { state: undefined, problems };
}

/**
 * Removes all checkpoints except the newest `keep`, those with the weights they name, and the best. Checkpoints in
 * `stops` count apart, and stay only while no regular one is newer.
 */
export async function pruneCheckpoints(
  run: string,
  keep: number,
  { best, stops }: { readonly best: number | undefined; readonly stops: ReadonlySet<number> },
): Promise<void> {
  const steps = await stepsIn(run);
  const withWeights: number[] = [];
  for (const step of steps) {
    const files = await filesBelow(checkpointPath(run, step));
    if (files.some((name) => !ownFiles.includes(name))) withWeights.push(step);
  }
  const regular = steps.filter((step) => !stops.has(step));
  const stopped = steps.filter((step) => stops.has(step) && step > (regular[0] ?? 0)).slice(0, 1);
  const newest = [...stopped, ...regular.slice(0, keep)];
  const weights = newest.map((step) => withWeights.find((candidate) => candidate <= step));
  const kept = new Set([...newest, ...weights, best]);
  for (const step of steps) if (!kept.has(step)) await removeCheckpoint(run, step);
}

/** Steps of the checkpoints that were written because the run had to stop. */
export async function stopsIn(run: string): Promise<Set<number>> {
  const stops = new Set<number>();
  for (const step of await stepsIn(run)) {
    const state = await readState(run, step);
    if (typeof state !== "string" && state.isStop) stops.add(step);
  }
  return stops;
}

/** The directory of the newest saved weights, by the checkpoints' states. */
export async function newestWeights(run: string): Promise<string | undefined> {
  for (const step of await stepsIn(run)) {
    const state = await readState(run, step);
    if (typeof state !== "string" && state.policy !== undefined) return checkpointPath(run, state.policy);
  }
  return undefined;
}

/** The directory of the best checkpoint's weights, if one was measured, or else of the newest saved weights. */
export async function trainedWeights(run: string): Promise<string | undefined> {
  const [newest] = await stepsIn(run);
  const state = newest === undefined ? undefined : await readState(run, newest);
  if (typeof state !== "object" || state.best === undefined) return newestWeights(run);
  const best = await readState(run, state.best.step);
  return checkpointPath(run, (typeof best === "object" ? best.policy : undefined) ?? state.best.step);
}

const stateFile = "state.json";
const ownFiles: readonly string[] = [stateFile, sumsFile];

/** The steps of all checkpoints, newest first. */
export async function stepsIn(run: string): Promise<readonly number[]> {
  const names = await readdir(checkpointFolder(run)).catch(() => []);
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => b - a);
}

/** Reads a checkpoint's state, or returns the checkpoint's damage. */
async function readCheckpoint(run: string, step: number): Promise<CheckpointState | string> {
  const problem = await sumsProblem(checkpointPath(run, step), [stateFile]);
  if (problem !== undefined) return problem;
  const state = await readState(run, step);
  if (typeof state === "string") return state;
  for (const name of rowFiles) {
    const rows = join(run, `${name}.jsonl`);
    const found = (await sizeOf(rows)) ?? 0;
    if (found < state.bytes[name])
      return `${rows}: expected at least ${state.bytes[name]} bytes, as at the checkpoint of step ${step}, got ${found}`;
  }
  if (state.policy === undefined || state.policy === step) return state;
  return (await sumsProblem(checkpointPath(run, state.policy))) ?? state;
}

async function readState(run: string, step: number): Promise<CheckpointState | string> {
  const file = join(checkpointPath(run, step), stateFile);
  const stored = await readJson(file).catch((error: CheckpointError) => error);
  if (stored instanceof CheckpointError) return stored.message;
  const { data, error } = stateSchema().safeParse(stored);
  return data ?? `${file} is not a checkpoint's state: ${z.prettifyError(error)}`;
}

/** Removes the checkpoints of later steps, the newest first, so that the rest are a whole run at every moment. */
export async function removeNewerCheckpoints(run: string, step: number): Promise<void> {
  for (const newer of await stepsIn(run)) if (newer > step) await removeCheckpoint(run, newer);
}

/** Removes a checkpoint. The rename comes first, so that nobody finds half of it. */
async function removeCheckpoint(run: string, step: number): Promise<void> {
  const partial = join(checkpointFolder(run), `.step-${step}.removed.partial`);
  await rename(checkpointPath(run, step), partial);
  await rm(partial, { recursive: true });
}
