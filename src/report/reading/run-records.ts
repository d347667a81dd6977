import { basename, join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../../errors";
import type { StepMetrics } from "../../events";
import { readMetrics } from "../../runs/directory/directory";
import { parseRow, readJson, sizeOf, wholeRows } from "../../runs/directory/files";
import { mostCharacters } from "../elements/text";
import type { Judged } from "./choice";

/** A text, or the beginning of a long one. */
const text = z
  .object({ text: z.string(), finishReason: z.string().optional() })
  .transform(({ text, finishReason }) => ({
    text: text.slice(0, mostCharacters),
    length: text.length,
    isClipped: finishReason === "length",
  }));
const rolloutRow = z.object({
  stage: z.string(),
  step: z.number(),
  truth: z.unknown().optional(),
  exampleId: z.string(),
  index: z.number(),
  /** Stage 1 writes a cot and a reconstruction, stage 2 one completion. */
  cot: text.optional(),
  reconstruction: text.optional(),
  completion: text.optional(),
  prediction: z.unknown(),
  reward: z.object({
    reward: z.number(),
    similarity: z.number(),
    leaks: z.array(z.object({ kind: z.string(), text: z.string(), start: z.number(), end: z.number() })),
    format: z.object({ ok: z.boolean(), reason: z.string().optional() }),
    repairs: z.array(z.string()).optional(),
  }),
  advantage: z.number().optional(),
});

/** The part of a line of `rollouts.jsonl` that a report needs. */
export type RolloutRow = z.infer<typeof rolloutRow>;

/** The rollouts of one example in one step. */
export type RolloutGroup = readonly [RolloutRow, ...RolloutRow[]];

const cotRow = z.object({
  exampleId: z.string(),
  cot: z.string(),
  annotation: z.unknown().optional(),
  reward: z.number(),
  cotGain: z.number().optional(),
});

/** The part of a line of `cots.jsonl` that a report needs. */
export type CotRow = z.infer<typeof cotRow>;

const exampleRow = z.object({ id: z.string(), image: z.string().optional(), subject: z.string().optional() });
const timingRow = z.object({ step: z.number(), step_time: z.number(), peak_memory: z.number().optional() });

/** The part of one stage of a run that a report needs. */
export interface StageRecords {
  readonly name: string;
  readonly metrics: readonly StepMetrics[];
  /** Whether its steps change the policy. */
  readonly trains: boolean;
  /** The first groups of its first, its middle and its last step. */
  readonly groups: readonly RolloutGroup[];
  /** The last group of each example. */
  readonly latest: ReadonlyMap<string, RolloutGroup>;
}

/** The settings of a run, its versions and machine, and a prompt of each kind; empty where a file is missing. */
export interface ContextRecords {
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly prompts: Readonly<Record<string, unknown>>;
}

/** The files of a run, as far as they are there. */
export interface RunRecords extends ContextRecords {
  readonly stages: readonly StageRecords[];
  readonly cots: readonly CotRow[];
  readonly timings: readonly z.infer<typeof timingRow>[];
}

/**
 * Reads a run, in the order of its steps. It may still be under way.
 * @param onGroup receives every group of rollouts
 * @throws CheckpointError for a directory without metrics, or with rows that are not a run's
 */
export async function readRun(runDir: string, onGroup: (group: RolloutGroup) => void): Promise<RunRecords> {
  const metrics = await readMetrics(join(runDir, "metrics.jsonl"));
  const names = [...new Set(metrics.map(({ stage }) => stage))];
  const ofStage = new Map(names.map((name) => [name, metrics.filter(({ stage }) => stage === name)]));
  const sampled = await readGroups(join(runDir, "rollouts.jsonl"), ofStage, onGroup);
  return {
    stages: names.map((name) => ({
      name,
      metrics: ofStage.get(name)!,
      trains: ofStage.get(name)!.some((row) => row.learning_rate !== undefined || row.loss !== undefined),
      ...(sampled.get(name) ?? { groups: [], latest: new Map() }),
    })),
    cots: await rowsOf(join(runDir, "cots.jsonl"), cotRow),
    ...(await readContext(runDir)),
    timings: await rowsOf(join(runDir, "timings.jsonl"), timingRow),
  };
}

/** Steps count through all stages of a run. */
const firstMiddleLast = (rows: readonly StepMetrics[]): readonly number[] =>
  [rows[0], rows[Math.floor(rows.length / 2)], rows.at(-1)].flatMap((row) => (row ? [row.step] : []));

interface SampledStage {
  readonly groups: RolloutGroup[];
  readonly latest: Map<string, RolloutGroup>;
}

/** Reads `rollouts.jsonl` group by group, and keeps what the page shows of each stage. */
async function readGroups(
  path: string,
  metrics: ReadonlyMap<string, readonly StepMetrics[]>,
  onGroup: (group: RolloutGroup) => void,
): Promise<ReadonlyMap<string, SampledStage>> {
  const stages = new Map<string, SampledStage>();
  const due = new Set([...metrics.values()].flatMap(firstMiddleLast));
  for await (const group of groupsOf(path)) {
    const { stage, step, exampleId } = group[0];
    const known: SampledStage = stages.get(stage) ?? { groups: [], latest: new Map() };
    stages.set(stage, known);
    if (due.delete(step)) known.groups.push(group);
    known.latest.set(exampleId, group);
    onGroup(group);
  }
  return stages;
}

/**
 * Yields rollouts that follow one another in a file and have the stage, the step and the example in common. A step may
 * sample an example of a small data set twice: its second group begins with a lower number.
 */
async function* groupsOf(path: string): AsyncGenerator<RolloutGroup, void, void> {
  let group: [RolloutRow, ...RolloutRow[]] | undefined;
  for await (const row of readRows(path, rolloutRow)) {
    const [first] = group ?? [];
    const isSame = first?.stage === row.stage && first.step === row.step && first.exampleId === row.exampleId;
    if (group && isSame && row.index > group.at(-1)!.index) group.push(row);
    else {
      if (group) yield group;
      group = [row];
    }
  }
  if (group) yield group;
}

/** The facts that decide whether a rollout is chosen for a page. */
export function judge({ cot, reconstruction, completion, reward }: RolloutRow, spread: number): Judged {
  const texts = [cot, reconstruction, completion];
  return {
    reward: reward.reward,
    leaks: reward.leaks.length,
    isReadable: reward.format.ok,
    isClipped: texts.some((each) => each?.isClipped),
    spread,
  };
}

/** The highest reward of a group minus the lowest. */
export function spreadOf(group: RolloutGroup): number {
  const rewards = group.map(({ reward }) => reward.reward);
  return Math.max(...rewards) - Math.min(...rewards);
}

/** The images and subjects of a run's examples, as far as its directory tells. */
export const readExamples = (runDir: string): Promise<readonly z.infer<typeof exampleRow>[]> =>
  rowsOf(join(runDir, "examples.jsonl"), exampleRow);

/** Whether a directory holds an evaluation, and no run. */
export async function isEvaluation(runDir: string): Promise<boolean> {
  const [metrics, records] = await Promise.all(
    ["metrics.jsonl", "records.jsonl"].map((name) => sizeOf(join(runDir, name))),
  );
  return metrics === undefined && records !== undefined;
}

/** @throws CheckpointError for a damaged file */
export async function readContext(runDir: string): Promise<ContextRecords> {
  return {
    config: await settingsIn(runDir, "config.json"),
    environment: await settingsIn(runDir, "environment.json"),
    prompts: await settingsIn(runDir, "prompts.json"),
  };
}

/** The settings of a file of a run; none if it is missing. @throws CheckpointError if it is damaged */
async function settingsIn(runDir: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(runDir, name);
  if ((await sizeOf(path)) === undefined) return {};
  const settings = await readJson(path);
  if (typeof settings !== "object" || settings === null || Array.isArray(settings))
    throw new CheckpointError(`${path}: expected the settings of a run, got ${basename(path)} without any`);
  return settings as Readonly<Record<string, unknown>>;
}

/** The rows of a file; none if it is missing. @throws CheckpointError naming the line that does not fit */
export async function rowsOf<T>(path: string, schema: z.ZodType<T>): Promise<readonly T[]> {
  const rows: T[] = [];
  for await (const row of readRows(path, schema)) rows.push(row);
  return rows;
}

/** Reads the rows of a file; none if it is missing. */
async function* readRows<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T, void, void> {
  let number = 0;
  for await (const { text } of wholeRows(path)) yield parseRow(text, schema, `${path}:${++number}`);
}
