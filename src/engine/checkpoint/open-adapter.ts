import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { linearLayers } from "../../models/checkpoint/recorded";
import { exists } from "../../models/files/directory";
import { weightsIn } from "../../models/files/run-directory";
import { readHeader } from "../../models/files/safetensors";
import type { VisionLanguageModel } from "../../models/open-model";
import { listed } from "../../options/display";
import { type LoraConfig, loraNames, type TrainableTensor } from "../adapter";
import { type AdapterSettings, adapterWeights, readAdapterConfig, unusable } from "./peft";
import { byOwnName, readTensors } from "./policy-files";

export interface AdapterFolder {
  readonly dir: string;
  readonly settings: AdapterSettings;
}

/**
 * Finds the adapter in a folder that `trainer.save` or PEFT wrote, or a run directory's best or newest one.
 * @returns `undefined` if the folder holds a model, or something else
 * @throws CheckpointError for an adapter beyond plain LoRA
 */
export async function findAdapter(path: string): Promise<AdapterFolder | undefined> {
  const dir = await weightsIn(path);
  const isModel = await exists(join(dir, "config.json"));
  return isModel || !(await exists(join(dir, settingsFile))) ? undefined : requireAdapter(dir);
}

/** Finds an adapter as `findAdapter` does. @param merging allows whole weights beside the low-rank ones */
export async function requireAdapter(path: string, merging = false): Promise<AdapterFolder> {
  const dir = await weightsIn(path);
  const file = join(dir, settingsFile);
  if (await exists(file)) return { dir, settings: await readAdapterConfig(file, merging) };
  const isModel = await exists(join(dir, "config.json"));
  throw new CheckpointError(
    `${dir}: expected an adapter, with an ${settingsFile}, got ${isModel ? "a whole model; pass it as model" : "none"}`,
  );
}

const settingsFile = "adapter_config.json";

/** The model that an adapter was trained on, as its file names it. */
export function baseOf({ dir, settings }: AdapterFolder): string {
  const { base_model_name_or_path: named, revision } = settings;
  if (named) return revision ? `${named}@${revision}` : named;
  throw new CheckpointError(
    `${join(dir, settingsFile)}: expected base_model_name_or_path, or the option model; got neither`,
  );
}

/**
 * The matrices of an adapter, as the policy holds them. @throws CheckpointError for matrices that the model has no
 * place for
 */
export async function readAdapter(
  { dir, settings }: AdapterFolder,
  { architecture, name }: VisionLanguageModel,
): Promise<{ readonly lora: LoraConfig; readonly tensors: ReadonlyMap<string, TrainableTensor> }> {
  const { r: rank, lora_alpha: alpha, use_rslora: rsLora } = settings;
  const file = await adapterWeights(dir);
  const stored = byOwnName(file, await readHeader(file).catch(unusable), architecture.canonicalName);
  const expected = new Map<string, { readonly shape: readonly number[] }>();
  for (const { name: layer, outputs, inputs } of linearLayers(architecture)) {
    const { a, b } = loraNames(layer);
    // An adapted layer has both of them.
    if (!stored.has(a) && !stored.has(b)) continue;
    expected.set(a, { shape: [rank, inputs] });
    expected.set(b, { shape: [outputs, rank] });
  }
  const strange = [...stored.keys()].filter((tensor) => !expected.has(tensor));
  if (strange.length > 0)
    throw new CheckpointError(
      `${file}: expected matrices of layers of ${name}, got ${strange.length} of others: ${listed(strange)}; pass the model that the adapter was trained on`,
    );
  const numbers = await readTensors(file, expected, architecture.canonicalName);
  const tensors = [...expected].map(([tensor, { shape }]) => [tensor, { shape, data: numbers.get(tensor)! }] as const);
  return { lora: { rank, alpha, rsLora }, tensors: new Map(tensors) };
}
