import { existsSync, openAsBlob } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { CheckpointError } from "../errors";
import { filesBelow } from "../files/below";
import { sumsProblem } from "../files/checksums";
import { readJson } from "../files/open";
import { weightsIn } from "../models/files/run-directory";
import { checkpointPath, stepsIn } from "../runs/directory/checkpoints";

/** The files of a run that are published, and the folder that they lie in. */
export interface PublishedFiles {
  readonly folder: string;
  /** Paths within the folder. */
  readonly paths: readonly string[];
  /** The step of the checkpoint; `undefined` for cots. */
  readonly step?: number;
}

/** Files that only a run needs to resume, and the card that ours replaces. */
const ownFiles = /^(?:optimizer\..*|state\.json|SHA256SUMS|README\.md)$/;

/**
 * The weights of a run's best checkpoint, by its reward on held-out examples; of the newest if the run had none; or of
 * `step`. A checkpoint without weights of its own names the one that has them.
 * @throws CheckpointError if there is no such checkpoint, or a file of it is damaged
 */
export async function checkpointFiles(runDir: string, step?: number): Promise<PublishedFiles> {
  const steps = await stepsIn(runDir);
  if (steps.length === 0 || (step !== undefined && !steps.includes(step)))
    throw new CheckpointError(
      `${runDir}: expected ${step === undefined ? "a checkpoint" : `the checkpoint of step ${step}`}, got ${steps.length > 0 ? `steps ${[...steps].reverse().join(", ")}` : "none; pass the directory of a run that has checkpoints/"}`,
    );
  const folder = await weightsIn(step === undefined ? runDir : checkpointPath(runDir, step)).catch((cause: Error) => {
    throw new CheckpointError(cause.message, { cause });
  });
  const problem = await sumsProblem(folder);
  if (problem) throw new CheckpointError(`${folder}: ${problem}`);
  const paths = (await filesBelow(folder)).filter((path) => !ownFiles.test(basename(path))).sort();
  if (!paths.some((path) => path.endsWith(".safetensors")))
    throw new CheckpointError(`${folder}: expected weights, got ${paths.join(", ") || "nothing"}; pass another step`);
  return { folder, paths, step: Number(/\d+$/.exec(folder)![0]) };
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

/** The hub id that a text is, perhaps with a revision; `undefined` for a folder of this machine. */
export const hubId = (text: unknown): string | undefined =>
  typeof text === "string" && !existsSync(text) ? /^(\w[\w.-]*\/\w[\w.-]*)(?:@\S+)?$/.exec(text)?.[1] : undefined;

/**
 * The content of a file as it is published: settings name no folder of this machine.
 * @param baseModel the hub id that an adapter shall name as its model, in place of its own
 * @throws CheckpointError for an adapter of a model that only this machine has
 */
export async function contentOf(file: string, baseModel?: string): Promise<Blob> {
  const name = basename(file);
  if (name === "config.json") return settingsBlob(withoutPaths(await readJson(file)));
  if (name !== "adapter_config.json") return openAsBlob(file);
  const { base_model_name_or_path: named, ...settings } = (await readJson(file)) as Record<string, unknown>;
  if (baseModel === undefined && named != null && hubId(named) === undefined)
    throw new CheckpointError(
      `${file}: expected base_model_name_or_path to be a model of the hub, got ${JSON.stringify(named)}, which others do not have; pass baseModel, or publish what mergeAdapter makes`,
    );
  if (baseModel === undefined) return openAsBlob(file);
  return settingsBlob({ ...settings, base_model_name_or_path: baseModel, revision: null });
}

const settingsBlob = (settings: unknown) => new Blob([`${JSON.stringify(settings, null, 2)}\n`]);

/** transformers writes the place that a model was loaded from. */
const withoutPaths = (config: unknown): unknown =>
  JSON.parse(JSON.stringify(config), (key, value) =>
    key === "_name_or_path" && hubId(value) === undefined ? undefined : value,
  );
