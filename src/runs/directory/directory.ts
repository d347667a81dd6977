import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { VlmBackend } from "../../backend";
import { CheckpointError } from "../../errors";
import type { BestCheckpoint, StepMetrics } from "../../events";
import { flushFolder } from "../../files/flush";
import { counted } from "../../options/display";
import { once } from "../../options/once";
import type { Trainer } from "../../trainer";
import type { Example } from "../../types";
import {
  type CheckpointState,
  checkpointFolder,
  checkpointPath,
  lastGoodCheckpoint,
  newestWeights,
  pruneCheckpoints,
  removeNewerCheckpoints,
  rowFiles,
  stepsIn,
  stopsIn,
  writeCheckpoint,
} from "./checkpoints";
import { claimDirectory } from "./claim";
import { type PromptTexts, writeContext, writePrompts } from "./context";
import { cutOff, jsonl, keepLines, parseRow, readWholeLines, sizeOf, writeAtomically, writing } from "./files";
import { continuesFrom, nextCheckpoint, type RunLength } from "./length";
import type { RunLock } from "./lock";

/**
 * The files of a run: `config.json`, `examples.jsonl`, `environment.json`, `omitted.jsonl`, `prompts.json`,
 * `preflight.html`, `rollouts.jsonl`, `metrics.jsonl`, `timings.jsonl`, `cots.jsonl`, `checkpoints/step-N/`.
 *
 * Rows are appended as they come. A checkpoint records the lengths of the files, so that a resumed run first cuts off
 * later rows and then writes the same bytes again; only `timings.jsonl`, which holds clock readings, differs. While it
 * is open, a `run.lock` keeps other processes out.
 */
export interface RunDirectory {
  /** The checkpoint that this run resumes, and the damage of newer ones, in sentences. */
  readonly resumed: { readonly step: number; readonly state: unknown; readonly damaged: readonly string[] } | undefined;
  /** All rows of `metrics.jsonl`, also those before the interruption. */
  readonly metrics: readonly StepMetrics[];
  /** Directory of the policy's newest saved weights. */
  policy(): string | undefined;
  /** The checkpoint with the highest held-out reward. */
  best(): BestCheckpoint | undefined;
  append(file: RowFile, rows: readonly object[]): Promise<void>;
  /** Writes `examples.jsonl` and `environment.json`, from which a report can be made. */
  writeContext(examples: readonly Example<unknown>[], backend: Pick<VlmBackend, "versions">): Promise<void>;
  /** Adds to `prompts.json` the kinds of prompts that it lacks. */
  writePrompts(prompts: PromptTexts): Promise<void>;
  /** Replaces another file by a text, which is made only if there is a directory. */
  write(name: string, text: () => string | Promise<string>): Promise<void>;
  /**
   * Writes `checkpoints/step-N/` whole or not at all, and removes old checkpoints.
   * @returns its path, or `undefined` for a run that is kept in memory
   */
  checkpoint(step: number, state: unknown, options?: CheckpointOptions): Promise<string | undefined>;
  /** Lets other processes in. */
  close(): Promise<void>;
}

export interface CheckpointOptions {
  /** Saves its weights with the checkpoint; without it, the policy is unchanged since the last one. */
  readonly trainer?: Trainer | undefined;
  /** The policy's reward on held-out examples. */
  readonly reward?: number | undefined;
  /** Whether it is written only because the run must stop (false): the next regular checkpoint removes it. */
  readonly isStop?: boolean;
}

type RowFile = (typeof rowFiles)[number] | "timings";

/**
 * Opens a directory for a new run, or resumes the one in it.
 *
 * @param path `undefined` keeps the run in memory
 * @param config everything that decides what the run does, as JSON; it must be the same when the run is resumed
 * @param options.keep newest checkpoints that are kept, besides the best (3)
 * @param options.length allows a resumed run to have more steps, and notices rows without their checkpoints
 * @throws CheckpointError for a directory that another process writes into, that is in use without `resume`, that
 * belongs to a run with another config, or is damaged
 */
export async function openRunDirectory(
  path: string | undefined,
  config: object,
  { resume = false, keep = 3, length }: RunDirectoryOptions = {},
): Promise<RunDirectory> {
  if (path === undefined) return inMemory();
  let isDoneAgain = false;
  // Rows of steps that are done again have no checkpoint.
  const open = (lock: RunLock) => openClaimed({ path, keep, lock, length: isDoneAgain ? undefined : length });
  return claimDirectory(path, config, resume, open, async (stored) => {
    const steps = await stepsIn(path);
    const [newest = 0] = steps;
    const from = length && continuesFrom(length, stored, newest);
    if (from !== undefined && (from === newest || steps.includes(from))) {
      isDoneAgain = from < newest;
      await removeNewerCheckpoints(path, from);
      return { isFine: true };
    }
    const weights = await newestWeights(path);
    return { isFine: false, ...(weights !== undefined && { advice: anew(weights) }) };
  });
}

export interface RunDirectoryOptions {
  readonly resume?: boolean;
  readonly keep?: number;
  readonly length?: RunLength;
}

/** The advice for a run that cannot be resumed. */
const anew = (weights: string) =>
  `. Only the steps of a stage that no other training has followed may be raised, and its learning rates so far must stay; to train on in another way, start a new runDir with a trainer that has loaded weights: trainer.load(${JSON.stringify(weights)})`;

/** A directory that this process has locked, and the state of the run in it. */
interface Claimed {
  readonly path: string;
  readonly keep: number;
  readonly lock: RunLock;
  newest: number | undefined;
  policy: CheckpointState["policy"] | undefined;
  best: CheckpointState["best"] | undefined;
  /** The lengths of the row files. */
  readonly bytes: CheckpointState["bytes"];
  /** Steps of the checkpoints that were written because the run had to stop. */
  readonly stops: Set<number>;
}

type Claim = Pick<Claimed, "path" | "keep" | "lock"> & { readonly length: RunLength | undefined };

async function openClaimed(claim: Claim): Promise<RunDirectory> {
  const { run, resumed, metrics } = await recover(claim);
  const { path, bytes } = run;
  return {
    resumed,
    metrics,
    policy: () => (run.policy === undefined ? undefined : checkpointPath(path, run.policy)),
    best: () => run.best && { ...run.best, path: checkpointPath(path, run.best.step) },

    async append(file, rows) {
      const text = jsonl(rows);
      await writeFileOf(run, `${file}.jsonl`, (target) => appendFile(target, text));
      if (file !== "timings") bytes[file] += Buffer.byteLength(text);
      if (file === "metrics") metrics.push(...(rows as readonly StepMetrics[]));
    },

    writeContext: (examples, backend) => writeFileOf(run, ".", () => writeContext(path, examples, backend)),
    writePrompts: (prompts) => writeFileOf(run, "prompts.json", () => writePrompts(path, prompts)),

    async write(name, text) {
      const made = await text();
      await writeFileOf(run, name, (target) => writeAtomically(target, made));
    },

    checkpoint: (step, pipeline, options) => saveCheckpoint(run, step, pipeline, options),
    close: claim.lock.release,
  };
}

/** Brings the files of a directory back to its newest checkpoint. */
async function recover({ path, keep, lock, length }: Claim) {
  const { state: last, problems } = await writing(
    checkpointFolder(path),
    () => intact(undefined),
    () => lastGoodCheckpoint(path),
  );
  // A newer one that is left aside may have been better, so that the best before it is gone.
  const isThere = (await stepsIn(path)).includes(last?.best?.step ?? 0);
  const damaged = problems.map((problem) => `a newer checkpoint is left aside, because ${problem}`);
  const run: Claimed = {
    path,
    keep,
    lock,
    newest: last?.step,
    policy: last?.policy,
    best: isThere ? last?.best : undefined,
    bytes: last?.bytes ?? { rollouts: 0, metrics: 0 },
    stops: await stopsIn(path),
  };
  const orphans = await rowsWithoutCheckpoint(path, length, run.newest);
  if (orphans !== undefined && run.newest === undefined)
    throw new CheckpointError(`${path}: ${orphans}. Put checkpoints/ back, or start again in another runDir`);
  if (orphans !== undefined) damaged.push(`${orphans}: what came after step ${run.newest} is cut off and done again`);
  await writeFileOf(run, "checkpoints", (target) => mkdir(target, { recursive: true }).then(() => {}));
  for (const file of rowFiles) await writeFileOf(run, `${file}.jsonl`, (target) => cutOff(target, run.bytes[file]));
  const metrics = await readMetrics(join(path, "metrics.jsonl"));
  await writeFileOf(run, "timings.jsonl", (target) => keepLines(target, metrics.length));
  await flushFolder(path);
  await prune(run);
  return { run, resumed: last && { step: last.step, state: last.pipeline, damaged }, metrics };
}

const intact = (newest: number | undefined) =>
  newest === undefined ? "no checkpoint was there yet" : `the checkpoint of step ${newest} is intact`;

/** Writes a file of the directory, if the directory still belongs to this process. */
function writeFileOf(run: Claimed, name: string, put: (target: string) => Promise<void>): Promise<void> {
  const target = join(run.path, name);
  return writing(
    target,
    () => intact(run.newest),
    async () => {
      await run.lock.check();
      await put(target);
    },
  );
}

async function saveCheckpoint(
  run: Claimed,
  step: number,
  pipeline: unknown,
  { trainer, reward, isStop = false }: CheckpointOptions = {},
): Promise<string> {
  const { path, best, bytes, lock, stops } = run;
  const target = checkpointPath(path, step);
  const isBest = reward !== undefined && !(best && best.reward >= reward);
  const state: CheckpointState = {
    step,
    ...optional("policy", trainer ? step : run.policy),
    ...optional("best", isBest ? { step, reward } : best),
    ...(isStop && { isStop }),
    bytes,
    pipeline,
  };
  const save = trainer && ((folder: string) => trainer.save(folder));
  await writing(
    target,
    () => intact(run.newest),
    () => writeCheckpoint(path, state, save, lock.check),
  );
  [run.newest, run.policy, run.best] = [step, state.policy, state.best];
  if (isStop) stops.add(step);
  else stops.delete(step);
  await prune(run);
  return target;
}

function prune({ path, keep, newest, best, stops }: Claimed): Promise<void> {
  const work = () => pruneCheckpoints(path, keep, { best: best?.step, stops });
  return writing(checkpointFolder(path), () => intact(newest), work);
}

/**
 * Describes the problem if `metrics.jsonl` has more rows than its checkpoints allow: a killed process leaves at most
 * the rows of the steps up to the next checkpoint.
 */
async function rowsWithoutCheckpoint(
  path: string,
  length: RunLength | undefined,
  newest: number | undefined,
): Promise<string | undefined> {
  const lines = await readWholeLines(join(path, "metrics.jsonl"));
  const isLost = newest === undefined && lines.length > 0 && (await sizeOf(checkpointFolder(path))) === undefined;
  const due = length && nextCheckpoint(length, newest ?? 0);
  if (!isLost && (due === undefined || lines.length <= due)) return undefined;
  const got = newest === undefined ? "none" : `step ${newest} as the newest`;
  return `expected a checkpoint of at least step ${due ?? 1}, since metrics.jsonl has rows of ${counted(lines.length, "step")}, got ${got}`;
}

/** The part of a result about the trained weights. */
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
    writeContext: async () => {},
    writePrompts: async () => {},
    write: async () => {},
    checkpoint: async () => undefined,
    close: async () => {},
  };
}

const metricRow = once(() => z.looseObject({ stage: z.string(), step: z.number() }));

/** Reads the whole rows of a `metrics.jsonl`. @throws CheckpointError for a missing file, or a malformed row */
export async function readMetrics(file: string): Promise<StepMetrics[]> {
  if ((await sizeOf(file)) === undefined)
    throw new CheckpointError(`${file}: expected the metrics of a run, got no such file`);
  const lines = await readWholeLines(file);
  return lines.map((line, i) => parseRow(line, metricRow(), `${file}:${i + 1}`) as StepMetrics);
}

/** An object with a property, or an empty one if it has no value. */
const optional = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: Value };
