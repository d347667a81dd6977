import { join } from "node:path";
import * as z from "zod";
import type { StepMetrics } from "../../events";
import { readMetrics } from "../../runs/directory/directory";
import { parseRow, wholeLines } from "../../runs/directory/files";

const text = z.object({ text: z.string() });
const rolloutRow = z.object({
  stage: z.string(),
  step: z.number(),
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

/** The part of one stage of a run that a report needs. */
export interface StageRecords {
  readonly name: string;
  readonly metrics: readonly StepMetrics[];
  /** Rollouts of its first, its middle and its last step. */
  readonly rollouts: readonly RolloutRow[];
}

/**
 * Reads the stages of a run, in the order of their steps. The run may still be under way.
 * @throws CheckpointError for a directory without metrics, or with rows that are not a run's
 */
export async function readRun(runDir: string): Promise<readonly StageRecords[]> {
  const metrics = await readMetrics(join(runDir, "metrics.jsonl"));
  const stages = [...new Set(metrics.map(({ stage }) => stage))].map((name) => ({
    name,
    metrics: metrics.filter(({ stage }) => stage === name),
  }));
  const shown = new Set(stages.flatMap(({ metrics }) => firstMiddleLast(metrics)));
  const rollouts = await readRollouts(runDir, shown);
  return stages.map(({ name, metrics }) => ({
    name,
    metrics,
    rollouts: rollouts.filter(({ stage }) => stage === name),
  }));
}

/** Steps count through all stages of a run. */
const firstMiddleLast = (rows: readonly StepMetrics[]): readonly number[] =>
  [rows[0], rows[Math.floor(rows.length / 2)], rows.at(-1)].flatMap((row) => (row ? [row.step] : []));

/** Reads the rows of some steps from `rollouts.jsonl`; an empty list if the file is missing. */
async function readRollouts(runDir: string, steps: ReadonlySet<number>): Promise<readonly RolloutRow[]> {
  const path = join(runDir, "rollouts.jsonl");
  const rows: RolloutRow[] = [];
  let number = 0;
  try {
    for await (const line of wholeLines(path)) {
      const row = parseRow(line, rolloutRow, `${path}:${++number}`);
      if (steps.has(row.step)) rows.push(row);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return rows;
}
