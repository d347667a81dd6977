import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { requireNewFolder, writeWholeFolder } from "../../files/whole-folder";
import { emptyShards } from "../../models/checkpoint/weights";
import { exists, tokenizerFiles } from "../../models/files/directory";
import { readHeader } from "../../models/files/safetensors";
import { openModel, type VisionLanguageModel } from "../../models/open-model";
import { checkArguments, textKind } from "../../options/arguments";
import { listed } from "../../options/display";
import { choice, count, readOptions, specOf, text } from "../../options/spec";
import { mergedWeights } from "./merged-weights";
import { type AdapterFolder, baseOf, requireAdapter } from "./open-adapter";
import { adapterWeights, unusable } from "./peft";
import { byOwnName, type Dtype, dtypes, saveCheckpoint } from "./policy-files";

/** Options of `mergeAdapter`. */
export interface MergeAdapterOptions {
  /** The model that the adapter belongs to (the one that its adapter_config.json names). */
  readonly model?: string;
  /** The type of the merged weights (each tensor keeps the type that it has in the model). */
  readonly dtype?: Dtype;
  /** Bytes of a weight file, above which weights are split into several with an index (5e9). */
  readonly shardBytes?: number;
}

export const mergeAdapterSpec = specOf<MergeAdapterOptions>()(() => ({
  model: text()
    .optional()
    .describe("The model that the adapter belongs to; the one that its adapter_config.json names"),
  dtype: choice(dtypes).optional().describe("The type of the merged weights; the model's own without it"),
  shardBytes: count().default(5e9).describe("Bytes of a weight file, above which weights are split into several"),
}));

/**
 * Writes a whole checkpoint with an adapter folded in, W + scale · B A, as a Hugging Face directory in the model's own
 * type. It needs no PEFT, and is a `model` for `onnxBackend` and `onnxTrainer`. Weights that PEFT trains whole
 * (`modules_to_save`, `trainable_token_indices`, added tokens and the adapter's tokenizer) replace the model's.
 *
 * The folder appears whole or not at all.
 *
 * @param adapter folder that `trainer.save` or PEFT wrote, or a run directory
 * @param dir folder to write, which is new or empty
 * @throws CheckpointError for a folder that holds something, and naming the adapter's matrices that do not fit the
 * model, or a sum that is NaN or too large for its type
 * @example
 * await mergeAdapter("runs/r1", "merged", { dtype: "bfloat16" });
 */
export async function mergeAdapter(adapter: string, dir: string, options: MergeAdapterOptions = {}): Promise<void> {
  checkArguments("mergeAdapter", { adapter, dir }, { adapter: textKind, dir: textKind });
  const settings = readOptions("mergeAdapter", options, mergeAdapterSpec);
  await requireNewFolder(dir, CheckpointError);
  const found = await requireAdapter(adapter, true);
  const model = await openBase(found, settings.model);
  const file = await adapterWeights(found.dir);
  const stored = await readHeader(file).catch(unusable);
  const own = byOwnName(file, stored, model.architecture.canonicalName);
  const { weights, changed, left } = mergedWeights(model, found.settings, file, own);
  if (left.length > 0)
    throw new CheckpointError(
      `${adapter}: expected matrices of rank ${found.settings.r} for ${model.name}; no place for ${listed(left)}${emptyShards(stored)}`,
    );
  await writeWholeFolder(dir, async (partial) => {
    await saveCheckpoint(model, weights, partial, { ...settings, changed });
    // The adapter's tokenizer has the new tokens' names.
    if (changed.vocab_size !== undefined)
      for (const name of tokenizerFiles)
        if (await exists(join(found.dir, name))) await copyFile(join(found.dir, name), join(partial, name));
  });
}

function openBase(found: AdapterFolder, model: string | undefined): Promise<VisionLanguageModel> {
  if (model !== undefined) return openModel(model);
  return openModel(baseOf(found)).catch((cause: Error) => {
    throw new CheckpointError(
      `${join(found.dir, "adapter_config.json")}: expected to find what it names as its model, or options.model: ${cause.message}`,
      { cause },
    );
  });
}
