import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../../errors";
import type { BestCheckpoint, StepMetrics } from "../../events";
import type { Trainer } from "../../trainer";
import {
  type CheckpointState,
  checkpointFolder,
  checkpointPath,
  lastGoodCheckpoint,
  newestWeights,
  pruneCheckpoints,
  rowFiles,
  stepsIn,
  stopsIn,
  writeCheckpoint,
} from "./checkpoints";
import { claimDirectory } from "./claim";
import {
  cutOff,
  flushFolder,
  jsonl,
  keepLines,
  parseRow,
  readWholeLines,
  sizeOf,
  writeAtomically,
  writing,
} from "./files";
import { isLonger, nextCheckpoint, type RunLength } from "./length";
import type { RunLock } from "./lock";

/**
 * What a run leaves behind: `config.json`, `preflight.html`, `rollouts.jsonl`, `metrics.jsonl`, `timings.jsonl`, `cots.jsonl`, `checkpoints/step-N/`.
 *
 * Rows are appended as they come. A checkpoint records how long the files were, so that a resumed run first cuts off what came after it
 * and then writes the same bytes again; only `timings.jsonl`, which holds what a clock said, differs. While it is open, a `run.lock` keeps
 * other processes out.
 */
export interface RunDirectory {
  /** The checkpoint this run goes on from, and what is wrong with what was there after it, in sentences. */
  readonly resumed: { readonly step: number; readonly state: unknown; readonly damaged: readonly string[] } | undefined;
  /** All rows of `metrics.jsonl`, those of before the interruption included. */
  readonly metrics: readonly StepMetrics[];
  /** Directory of the policy's newest saved weights. */
  policy(): string | undefined;
  /** The checkpoint with the highest held-out reward. */
  best(): BestCheckpoint | undefined;
  append(file: RowFile, rows: readonly object[]): Promise<void>;
  /** Replaces `preflight.html` by a page, which is only made where there is a directory. */
  writePreflight(page: () => Promise<string>): Promise<void>;
  /** Replaces `cots.jsonl`. */
  writeCots(rows: readonly object[]): Promise<void>;
  /**
   * Writes `checkpoints/step-N/` so that it is there whole or not at all, and removes old ones.
   * @returns its path, or `undefined` for a run that is kept in memory
   */
  checkpoint(step: number, state: unknown, options?: CheckpointOptions): Promise<string | undefined>;
  /** Lets other processes in. */
  close(): Promise<void>;
}

export interface CheckpointOptions {
  /** Saved with it; left out where the policy is that of the checkpoint before. */
  readonly trainer?: Trainer | undefined;
  /** What the policy earned on held-out examples. */
  readonly reward?: number | undefined;
  /** Written only because the run is to stop (false): it goes when the next one is there that is not. */
  readonly isStop?: boolean;
}

type RowFile = (typeof rowFiles)[number] | "timings";

/**
 * Opens a directory for a new run, or for going on with the one in it.
 *
 * @param path `undefined` keeps the run in memory
 * @param config everything that decides what the run does, as JSON; it must be the same when the run is resumed
 * @param options.keep newest checkpoints that are kept, besides the best (3)
 * @param options.length where it is known, a resumed run may be longer than it was begun, and rows without their checkpoints are noticed
 * @throws CheckpointError for a directory that another process writes into, that is in use without `resume`, that belongs to a run with
 * another config, or is damaged
 */
export async function openRunDirectory(
  path: string | undefined,
  config: object,
  { resume = false, keep = 3, length }: RunDirectoryOptions = {},
): Promise<RunDirectory> {
  if (path === undefined) return inMemory();
  const lock = await claimDirectory(path, config, resume, async (stored) => {
    const [newest = 0] = await stepsIn(path);
    if (length && isLonger(length, stored, newest)) return { isFine: true };
    const weights = await newestWeights(path);
    return { isFine: false, ...(weights !== undefined && { advice: anew(weights) }) };
  });
  try {
    return await openClaimed(path, { keep, lock, length });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

export interface RunDirectoryOptions {
  readonly resume?: boolean;
  readonly keep?: number;
  readonly length?: RunLength;
}

/** How to go on where a run cannot be resumed. */
const anew = (weights: string) =>
  `. Only the steps of a stage that is not over may be raised, and its learning rates so far must stay; to train on in another way, start a new runDir with a trainer that has loaded weights: trainer.load(${JSON.stringify(weights)})`;

async function openClaimed(
  path: string,
  { keep, lock, length }: { readonly keep: number; readonly lock: RunLock; readonly length: RunLength | undefined },
): Promise<RunDirectory> {
  const checkpoints = checkpointFolder(path);
  let newest: number | undefined;
  const intact = () =>
    newest === undefined ? "no checkpoint was there yet" : `the checkpoint of step ${newest} is intact`;
  const write = (name: string, put: (target: string) => Promise<void>) => {
    const target = join(path, name);
    return writing(target, intact, async () => {
      await lock.check();
      await put(target);
    });
  };
  const { state: last, problems } = await writing(checkpoints, intact, () => lastGoodCheckpoint(path));
  const damaged = problems.map((problem) => `a newer checkpoint is left aside, because ${problem}`);
  const bytes = last?.bytes ?? { rollouts: 0, metrics: 0 };
  let { policy, best } = last ?? ({} as Partial<CheckpointState>);
  newest = last?.step;
  const orphans = await rowsWithoutCheckpoint(path, length, newest);
  if (orphans !== undefined && newest === undefined)
    throw new CheckpointError(`${path}: ${orphans}. Put checkpoints/ back, or start again in another runDir`);
  if (orphans !== undefined) damaged.push(`${orphans}: what came after step ${newest} is cut off and done again`);
  await write("checkpoints", (target) => mkdir(target, { recursive: true }).then(() => {}));
  for (const file of rowFiles) await write(`${file}.jsonl`, (target) => cutOff(target, bytes[file]));
  const metrics = await readMetrics(join(path, "metrics.jsonl"));
  await write("timings.jsonl", (target) => keepLines(target, metrics.length));
  await flushFolder(path);
  const stops = await stopsIn(path);
  const prune = () => writing(checkpoints, intact, () => pruneCheckpoints(path, keep, { best: best?.step, stops }));
  await prune();

  return {
    resumed: last && { step: last.step, state: last.pipeline, damaged },
    metrics,
    policy: () => (policy === undefined ? undefined : checkpointPath(path, policy)),
    best: () => best && { ...best, path: checkpointPath(path, best.step) },

    async append(file, rows) {
      const text = jsonl(rows);
      await write(`${file}.jsonl`, (target) => appendFile(target, text));
      if (file !== "timings") bytes[file] += Buffer.byteLength(text);
      if (file === "metrics") metrics.push(...(rows as readonly StepMetrics[]));
    },

    async writePreflight(page) {
      const text = await page();
      await write("preflight.html", (target) => writeAtomically(target, text));
    },

    writeCots: (rows) => write("cots.jsonl", (target) => writeAtomically(target, jsonl(rows))),

    async checkpoint(step, pipeline, { trainer, reward, isStop = false } = {}) {
      const target = checkpointPath(path, step);
      const isBest = reward !== undefined && !(best && best.reward >= reward);
      const state = {
        step,
        ...optional("policy", trainer ? step : policy),
        ...optional("best", isBest ? { step, reward } : best),
        ...(isStop && { isStop }),
        ...{ bytes, pipeline },
      };
      const save = trainer && ((folder: string) => trainer.save(folder));
      await writing(target, intact, () => writeCheckpoint(path, state, save, lock.check));
      ({ step: newest, policy, best } = state);
      if (isStop) stops.add(step);
      else stops.delete(step);
      await prune();
      return target;
    },

    close: lock.release,
  };
}

/**
 * Names what is amiss where `metrics.jsonl` goes further than it can without a checkpoint that is not there; a process that is killed leaves at most the
 * rows of the steps up to the next one.
 */
async function rowsWithoutCheckpoint(
  path: string,
  length: RunLength | undefined,
  newest: number | undefined,
): Promise<string | undefined> {
  const { lines } = await readWholeLines(join(path, "metrics.jsonl"));
  const isLost = newest === undefined && lines.length > 0 && (await sizeOf(checkpointFolder(path))) === undefined;
  const due = length && nextCheckpoint(length, newest ?? 0);
  if (!isLost && (due === undefined || lines.length <= due)) return undefined;
  const found = newest === undefined ? "found none" : `the newest is that of step ${newest}`;
  return `expected a checkpoint of at least step ${due ?? 1}, since metrics.jsonl has rows of ${lines.length} steps; ${found}`;
}

/** What a result says about the weights that a run left. */
export function trainedIn(directory: RunDirectory): { readonly adapter?: string; readonly best?: BestCheckpoint } {
  return { ...optional("adapter", directory.policy()), ...optional("best", directory.best()) };
}

function inMemory(): RunDirectory {
  const metrics: StepMetrics[] = [];
  return {
    resumed: undefined,
    metrics,
    policy: () => undefined,
    best: () => undefined,
    async append(file, rows) {
      if (file === "metrics") metrics.push(...(rows as readonly StepMetrics[]));
    },
    writePreflight: async () => {},
    writeCots: async () => {},
    checkpoint: async () => undefined,
    close: async () => {},
  };
}

const metricRow = z.looseObject({ stage: z.string(), step: z.number() });

/** Rows of a `metrics.jsonl`, as far as they are written. @throws CheckpointError for no such file, or a line that is no such row */
export async function readMetrics(file: string): Promise<StepMetrics[]> {
  if ((await sizeOf(file)) === undefined)
    throw new CheckpointError(`${file}: expected the metrics of a run, found no such file`);
  const { lines } = await readWholeLines(file);
  return lines.map((line, i) => parseRow(line, metricRow, `${file}:${i + 1}`) as StepMetrics);
}

/** A property that is left out where it has no value. */
const optional = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: Value };
