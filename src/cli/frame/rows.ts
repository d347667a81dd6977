import * as z from "zod";
import { CheckpointError } from "../../errors";
import type { Judged } from "../../evaluation/audit-annotations";
import type { RatedCot } from "../../rollouts";
import { parseRow, wholeLines } from "../../runs/directory/files";

const cotRow = z.looseObject({ exampleId: z.string(), cot: z.string(), reward: z.number(), annotation: z.unknown() });

/** Reads D_RISE, as stage 1 wrote it. @throws CheckpointError for a missing file, or a line that is not a thought's */
export const readCots = (file: string): Promise<readonly RatedCot<unknown>[]> => readRows(file, cotRow, "thoughts");

const rolloutRow = z.looseObject({
  exampleId: z.string(),
  prediction: z.unknown(),
  reward: z.looseObject({ similarity: z.number() }),
});

/** Reads the rollouts of stage 1. @throws CheckpointError for a missing file, or a line that is not a rollout's */
export const readRollouts = (file: string): Promise<readonly Judged<unknown>[]> =>
  readRows(file, rolloutRow, "rollouts");

async function readRows<T>(file: string, schema: z.ZodType<T>, what: string): Promise<readonly T[]> {
  const rows: T[] = [];
  try {
    for await (const line of wholeLines(file)) rows.push(parseRow(line, schema, `${file}:${rows.length + 1}`));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new CheckpointError(`${file}: expected the ${what} of stage 1, found no such file; run rise-ts cot first`, {
      cause,
    });
  }
  return rows;
}
