import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { emptyShards } from "../../models/checkpoint/weights";
import { exists, tokenizerFiles } from "../../models/files/directory";
import { readHeader } from "../../models/files/safetensors";
import { openModel } from "../../models/open-model";
import { listed } from "../../options/display";
import { mergedWeights } from "./merged-weights";
import { adapterWeights, readAdapterConfig, unusable } from "./peft";
import { byOwnName, saveCheckpoint } from "./policy-files";

/**
 * Writes a whole checkpoint with an adapter folded in, W + scale · B A, as a Hugging Face directory in float32. It
 * needs no PEFT, and is a `model` for `onnxBackend` and `onnxTrainer`. Weights that PEFT trains whole
 * (`modules_to_save`, `trainable_token_indices`, added tokens and the adapter's tokenizer) replace the model's.
 * @param adapter folder that `trainer.save` or PEFT wrote
 * @param dir folder to write
 * @param options.model checkpoint that the adapter belongs to (the one that its adapter_config.json names)
 * @throws CheckpointError naming the adapter's matrices that do not fit the checkpoint
 */
export async function mergeAdapter(
  adapter: string,
  dir: string,
  options: { readonly model?: string } = {},
): Promise<void> {
  const path = join(adapter, "adapter_config.json");
  const settings = await readAdapterConfig(path, true);
  const { base_model_name_or_path: named, revision } = settings;
  const base = options.model ?? (named && revision ? `${named}@${revision}` : named);
  if (!base) throw new CheckpointError(`${path}: expected base_model_name_or_path, or options.model; got neither`);
  const file = await adapterWeights(adapter);
  const stored = await readHeader(file).catch(unusable);
  const model = await openModel(base).catch((cause: Error) => {
    if (options.model) throw cause;
    throw new CheckpointError(
      `${path}: expected to find what it names as its model, or options.model: ${cause.message}`,
      { cause },
    );
  });
  const { weights, changed, left } = mergedWeights(
    model,
    settings,
    file,
    byOwnName(file, stored, model.architecture.canonicalName),
  );
  if (left.length > 0)
    throw new CheckpointError(
      `${adapter}: expected matrices of rank ${settings.r} for ${base}; no place for ${listed(left)}${emptyShards(stored)}`,
    );
  await mkdir(dir, { recursive: true });
  await saveCheckpoint(model, weights, dir, changed);
  // The adapter's tokenizer has the new tokens' names.
  if (changed.vocab_size !== undefined)
    for (const name of tokenizerFiles)
      if (await exists(join(adapter, name))) await copyFile(join(adapter, name), join(dir, name));
}
