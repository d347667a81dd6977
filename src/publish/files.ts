import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../errors";
import { filesBelow } from "../files/below";
import { sumsProblem } from "../files/checksums";
import { readJson } from "../files/open";

/** The files of a run that are published, and the folder that they lie in. */
export interface PublishedFiles {
  readonly folder: string;
  /** Paths within the folder. */
  readonly paths: readonly string[];
  /** The step of the checkpoint; `undefined` for cots. */
  readonly step?: number;
}

/** Files that only a run needs to resume. */
const ownFiles = /^(?:optimizer\..*|state\.json|SHA256SUMS)$/;

const stateSchema = z.object({ best: z.object({ step: z.int() }).optional() });

/**
 * The best checkpoint of a run, by its reward on held-out examples; the newest if the run had none; or the one of
 * `step`.
 * @throws CheckpointError if there is no such checkpoint, or a file of it is damaged
 */
export async function checkpointFiles(runDir: string, step?: number): Promise<PublishedFiles> {
  const folder = join(runDir, "checkpoints");
  const names = await readdir(folder).catch((): string[] => []);
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const newest = Math.max(...steps);
  const wanted =
    step ?? (steps.length > 0 ? await bestStep(join(folder, `step-${newest}`), steps) : undefined) ?? newest;
  if (!steps.includes(wanted))
    throw new CheckpointError(
      `${runDir}: expected ${step === undefined ? "a checkpoint" : `the checkpoint of step ${step}`}, got ${steps.length > 0 ? `steps ${steps.sort((a, b) => a - b).join(", ")}` : "none; pass the directory of a run that has checkpoints/"}`,
    );
  const chosen = join(folder, `step-${wanted}`);
  const problem = await sumsProblem(chosen);
  if (problem) throw new CheckpointError(`${chosen}: ${problem}`);
  const paths = (await filesBelow(chosen)).filter((path) => !ownFiles.test(basename(path))).sort();
  if (!paths.some((path) => path.endsWith(".safetensors")))
    throw new CheckpointError(`${chosen}: expected weights, got ${paths.join(", ") || "nothing"}; pass another step`);
  return { folder: chosen, paths, step: wanted };
}

async function bestStep(newest: string, steps: readonly number[]): Promise<number | undefined> {
  const { best } = stateSchema.parse(await readJson(join(newest, "state.json")));
  return best && steps.includes(best.step) ? best.step : undefined;
}

/** D_RISE of a run. @throws CheckpointError if the run has not written it */
export async function cotFiles(runDir: string): Promise<PublishedFiles> {
  const names = await readdir(runDir).catch((): string[] => []);
  if (!names.includes("cots.jsonl"))
    throw new CheckpointError(
      `${runDir}: expected cots.jsonl, got ${names.slice(0, 20).join(", ") || "no such directory"}`,
    );
  return { folder: runDir, paths: ["cots.jsonl"] };
}
