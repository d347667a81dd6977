import * as z from "zod";
import { CheckpointError } from "../../errors";
import type { Judged } from "../../evaluation/audit-annotations";
import { rowsOf } from "../../report/reading/run-records";
import type { RatedCot } from "../../rollouts";
import { sizeOf } from "../../runs/directory/files";

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
  if ((await sizeOf(file)) === undefined)
    throw new CheckpointError(`${file}: expected the ${what} of stage 1, got no such file; run rise-ts cot first`);
  return rowsOf(file, schema);
}
