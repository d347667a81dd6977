import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { DataError } from "../../errors";
import { exists, readJson } from "./directory";

/** The state of a run's checkpoint, as far as it says where weights lie. */
const stateSchema = z.object({
  /** The step whose checkpoint holds the policy at this step. */
  policy: z.int().optional(),
  /** The step with the highest held-out reward so far. */
  best: z.object({ step: z.int() }).optional(),
});

/**
 * The folder with the weights that a path leads to: for a run directory, those of its best checkpoint, or of the newest
 * if nothing was held out; for a checkpoint without weights of its own, those that it names; any other path unchanged.
 * @throws DataError for a run directory without weights
 */
export async function weightsIn(path: string): Promise<string> {
  const own = await stateOf(path);
  if (own) return own.policy === undefined ? path : folderOf(dirname(path), own, path);
  const folder = join(path, "checkpoints");
  if (!(await isRun(path))) return path;
  const names = await readdir(folder).catch(() => []);
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const newest = join(folder, `step-${Math.max(...steps)}`);
  const state = steps.length === 0 ? undefined : await stateOf(newest);
  const best = state?.best && (await stateOf(join(folder, `step-${state.best.step}`)));
  if (!state) throw noWeights(path);
  return folderOf(folder, best ?? state, path);
}

const noWeights = (path: string) =>
  new DataError(
    `${path}: expected weights, got a run directory without any; its run trains no model, or has written no checkpoint yet`,
  );

function folderOf(folder: string, { policy }: z.infer<typeof stateSchema>, path: string): string {
  if (policy === undefined) throw noWeights(path);
  return join(folder, `step-${policy}`);
}

async function isRun(path: string): Promise<boolean> {
  const file = join(path, "config.json");
  const config = (await exists(file)) ? await readJson(file).catch(() => undefined) : undefined;
  return typeof Object(config).pipeline === "string";
}

/** The state of a folder that is a run's checkpoint; `undefined` for any other folder. */
async function stateOf(folder: string): Promise<z.infer<typeof stateSchema> | undefined> {
  const file = join(folder, "state.json");
  if (!/step-\d+[\\/]?$/.test(folder) || !(await exists(file))) return undefined;
  return stateSchema.safeParse(await readJson(file).catch(() => undefined)).data;
}
