import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { CheckpointError } from "../errors";
import type { StepMetrics } from "../pipelines/events";

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

/** A line of `rollouts.jsonl`, as far as a report needs it. */
export type RolloutRow = z.infer<typeof rolloutRow>;

/** Rows of `metrics.jsonl`. @throws CheckpointError for a folder without one */
export async function readMetricRows(runDir: string): Promise<readonly StepMetrics[]> {
  const path = join(runDir, "metrics.jsonl");
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new CheckpointError(`${path}: expected the metrics of a run: ${String(cause)}`, { cause });
  });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(
      (line, i) =>
        parsed(line, z.looseObject({ stage: z.string(), step: z.number() }), `${path}:${i + 1}`) as StepMetrics,
    );
}

/**
 * Rows of `rollouts.jsonl` of some steps, read line by line because the file may be long; none where there is no such file (SFT writes none).
 * @param steps as `stage step`
 */
export async function readRollouts(runDir: string, steps: ReadonlySet<string>): Promise<readonly RolloutRow[]> {
  const path = join(runDir, "rollouts.jsonl");
  const rows: RolloutRow[] = [];
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line === "") continue;
      const row = parsed(line, rolloutRow, `${path}:${number}`);
      if (steps.has(`${row.stage} ${row.step}`)) rows.push(row);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return rows;
}

function parsed<T>(line: string, schema: z.ZodType<T>, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new CheckpointError(`${where}: expected a line of JSON, found ${line.slice(0, 60)}`, { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new CheckpointError(`${where}: ${problems.join("; ")}`);
}
