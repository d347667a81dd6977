import { createReadStream } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError } from "../../errors";
import { listed } from "../../options/display";
import type { Qwen2VlConfig } from "../families/qwen2-vl/config";
import { weightFiles } from "../files/directory";
import { type HeaderTensor, isStored, readHeader, readTensor, type StoredTensor } from "../files/safetensors";
import type { ReducedPrecision } from "./quantize";

/** A checkpoint's tensors under the names that Qwen published them with, wherever they lie. */
export interface Checkpoint {
  readonly dir: string;
  /** The folder in which the files really lie (a Hugging Face cache links to it). */
  readonly folder: string;
  /** `file` is a name inside `folder`. */
  readonly tensors: ReadonlyMap<string, StoredTensor & { readonly file: string }>;
  read(name: string): Promise<Float32Array>;
  /** Linear layers whose matrices are here in reduced precision, and not among `tensors`. */
  readonly rounded?: ReadonlyMap<string, RoundedLayer>;
}

/** Where a rounded matrix lies. */
export interface RoundedLayer {
  readonly precision: ReducedPrecision;
  readonly numbers: HeaderTensor & { readonly file: string };
  readonly scale: HeaderTensor & { readonly file: string };
}

/**
 * Opens the safetensors of a Hugging Face directory, one file or sharded, without reading the data.
 * @throws DataError listing every tensor that is missing, unexpected, or of another shape or type than the configuration says
 */
export async function openCheckpoint(dir: string, config: Qwen2VlConfig): Promise<Checkpoint> {
  const files = await Promise.all((await weightFiles(dir)).map((file) => realpath(join(dir, file))));
  const folder = dirname(files[0]!);
  const elsewhere = files.find((file) => dirname(file) !== folder);
  if (elsewhere) throw new DataError(`${dir}: expected all weights in one folder, found ${files[0]} and ${elsewhere}`);
  const found = new Map<string, HeaderTensor & { file: string }>();
  const problems: string[] = [];
  for (const path of files)
    for (const [storedName, tensor] of await readHeader(path)) {
      const name = canonicalName(storedName);
      const file = basename(path);
      const other = found.get(name);
      if (other) problems.push(`${name}: expected once, found in ${other.file} and as ${storedName} in ${file}`);
      found.set(name, { ...tensor, file });
    }
  const expected = expectedTensors(config);
  const tensors = new Map<string, StoredTensor & { file: string }>();
  const missing: string[] = [];
  for (const [name, shape] of expected) {
    const tensor = found.get(name);
    if (tensor && isStored(tensor) && tensor.shape.join() === shape.join()) tensors.set(name, tensor);
    else
      (tensor ? problems : missing).push(
        `${name}: expected F32, F16 or BF16 ${showShape(shape)}, found ${show(tensor)}`,
      );
  }
  const unexpected = [...found]
    .filter(([name]) => !expected.has(name) && !isRedundant(name))
    .map(([name, tensor]) => `${name}: expected none, found ${show(tensor)}`);
  // In turn, so that names which are there stand beside those which are not.
  for (let i = 0; i < Math.max(missing.length, unexpected.length); i++)
    problems.push(...missing.slice(i, i + 1), ...unexpected.slice(i, i + 1));
  // Of a tied head's copy that is none, transformers makes a head of its own; so it is not tied, whatever config.json says.
  const head = config.text.tieWordEmbeddings ? found.get("lm_head.weight") : undefined;
  const embedding = tensors.get("model.embed_tokens.weight");
  if (head && embedding && !(await areEqual(folder, head, embedding)))
    problems.push(
      "lm_head.weight: expected a copy of model.embed_tokens.weight, as config.json ties them, found other numbers; tie_word_embeddings false in config.json keeps both",
    );
  if (problems.length > 0)
    throw new DataError(
      `${dir}: the weights do not fit config.json${emptyShards(found)}\n  ${listed(problems, "\n  ", mostProblems)}`,
    );
  return {
    dir,
    folder,
    tensors,
    read(name) {
      const stored = tensors.get(name);
      if (!stored) throw new DataError(`${dir}: tensor ${name} is missing`);
      return readTensor(join(folder, stored.file), stored);
    },
  };
}

/** Whether two tensors hold the same numbers, read a piece at a time. */
async function areEqual(
  folder: string,
  a: HeaderTensor & { readonly file: string },
  b: HeaderTensor & { readonly file: string },
): Promise<boolean> {
  if (a.dtype !== b.dtype || a.bytes !== b.bytes) return false;
  const [first, second] = [a, b].map(({ file, offset, bytes }) =>
    createReadStream(join(folder, file), { start: offset, end: offset + bytes - 1, highWaterMark: 2 ** 20 }),
  );
  const others = second![Symbol.asyncIterator]();
  for await (const piece of first!) if (!piece.equals((await others.next()).value)) return false;
  return true;
}

/** Lines of an error: a checkpoint of another network differs in hundreds. */
const mostProblems = 20;

const showShape = (shape: readonly number[]) => `[${shape.join(", ")}]`;
const show = (tensor: HeaderTensor | undefined) => (tensor ? `${tensor.dtype} ${showShape(tensor.shape)}` : "none");

/** Matrices that DeepSpeed holds in pieces, one in each process, are empty where they are saved as they are. */
export function emptyShards(tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>): string {
  const empty = [...tensors.values()].filter(({ shape }) => shape.includes(0)).length;
  return empty === 0
    ? ""
    : `: ${empty} of its ${tensors.size} tensors are empty, as DeepSpeed ZeRO-3 saves those that it did not gather; make whole ones of its checkpoint with zero_to_fp32.py, or save with stage3_gather_16bit_weights_on_model_save`;
}

/**
 * The name of a tensor here, from any name that it may be stored under. transformers 4.52 and later nest the two towers under `model.`, Qwen's own files do
 * not; what wraps a model when it is saved (DataParallel, DeepSpeed, torch.compile, FSDP, a second `model.`) writes its own name before each, and PEFT
 * writes some between.
 */
export function canonicalName(stored: string): string {
  const name = stored
    .replace(/^((base_model|model|language_model|module|_orig_mod|_fsdp_wrapped_module)\.)+/, "")
    .replace(/\.(default|modules_to_save|base_layer)(?=\.|$)/g, "");
  return /^(embed_tokens|layers|norm)\./.test(name) ? `model.${name}` : name;
}

/** What says nothing that is not said elsewhere: a copy of tied embeddings, rotary frequencies that old versions stored. */
const isRedundant = (name: string) => name === "lm_head.weight" || name.endsWith(".inv_freq");

/** Every tensor of the model and its shape. */
export function expectedTensors({ text, vision }: Qwen2VlConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, outputs: number, inputs: number, bias: boolean) => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    if (bias) shapes.set(`${name}.bias`, [outputs]);
  };
  const layerNorm = (name: string) => {
    shapes.set(`${name}.weight`, [vision.embedDim]);
    shapes.set(`${name}.bias`, [vision.embedDim]);
  };
  const wide = vision.embedDim * vision.mlpRatio;
  shapes.set("visual.patch_embed.proj.weight", [
    vision.embedDim,
    vision.inChannels,
    vision.temporalPatchSize,
    vision.patchSize,
    vision.patchSize,
  ]);
  for (let i = 0; i < vision.depth; i++) {
    const block = `visual.blocks.${i}`;
    layerNorm(`${block}.norm1`);
    layerNorm(`${block}.norm2`);
    linear(`${block}.attn.qkv`, 3 * vision.embedDim, vision.embedDim, true);
    linear(`${block}.attn.proj`, vision.embedDim, vision.embedDim, true);
    linear(`${block}.mlp.fc1`, wide, vision.embedDim, true);
    linear(`${block}.mlp.fc2`, vision.embedDim, wide, true);
  }
  const merged = vision.embedDim * vision.spatialMergeSize ** 2;
  layerNorm("visual.merger.ln_q");
  linear("visual.merger.mlp.0", merged, merged, true);
  linear("visual.merger.mlp.2", text.hiddenSize, merged, true);

  const kv = text.kvHeads * text.headDim;
  shapes.set("model.embed_tokens.weight", [text.vocabSize, text.hiddenSize]);
  for (let i = 0; i < text.layers; i++) {
    const layer = `model.layers.${i}`;
    shapes.set(`${layer}.input_layernorm.weight`, [text.hiddenSize]);
    shapes.set(`${layer}.post_attention_layernorm.weight`, [text.hiddenSize]);
    linear(`${layer}.self_attn.q_proj`, text.hiddenSize, text.hiddenSize, true);
    linear(`${layer}.self_attn.k_proj`, kv, text.hiddenSize, true);
    linear(`${layer}.self_attn.v_proj`, kv, text.hiddenSize, true);
    linear(`${layer}.self_attn.o_proj`, text.hiddenSize, text.hiddenSize, false);
    linear(`${layer}.mlp.gate_proj`, text.intermediateSize, text.hiddenSize, false);
    linear(`${layer}.mlp.up_proj`, text.intermediateSize, text.hiddenSize, false);
    linear(`${layer}.mlp.down_proj`, text.hiddenSize, text.intermediateSize, false);
  }
  shapes.set("model.norm.weight", [text.hiddenSize]);
  if (!text.tieWordEmbeddings) shapes.set("lm_head.weight", [text.vocabSize, text.hiddenSize]);
  return shapes;
}
