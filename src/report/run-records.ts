import { join } from "node:path";
import { z } from "zod";
import { parseRow, wholeLines } from "../runs/directory/files";

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

/** Rows of `rollouts.jsonl` of some steps; none where there is no such file. */
export async function readRollouts(runDir: string, steps: ReadonlySet<number>): Promise<readonly RolloutRow[]> {
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
