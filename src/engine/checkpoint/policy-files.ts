import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { sumsFile, sumsProblem } from "../../files/checksums";
import { emptyShards, openCheckpoint } from "../../models/checkpoint/weights";
import { exists, indexFile, isCopiedAlong, readJson, weightFiles } from "../../models/files/directory";
import {
  bytesOf,
  firstBeyond,
  type HeaderTensor,
  isStored,
  readHeader,
  readTensor,
  type StoredDtype,
  type WritableTensor,
  writeSafetensors,
} from "../../models/files/safetensors";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Architecture } from "../../models/parts/architecture";
import { listed } from "../../options/display";
import type { LoraConfig } from "../adapter";
import type { Policy } from "../policy";
import { adapterWeights, checkScale, peftConfig, unusable } from "./peft";

/**
 * Writes the trained weights in formats that others read: a PEFT adapter with LoRA, else a Hugging Face directory.
 * Numbers are float32, so that loading restores exactly what was saved.
 */
export async function savePolicy(model: VisionLanguageModel, policy: Policy, dir: string): Promise<void> {
  if (policy.lora) {
    await saveAdapterSettings(model, policy, policy.lora, dir);
    const renamed = [...policy.trainable].map(
      ([name, tensor]) => [peftName(model.architecture, name), tensor] as const,
    );
    await writeSafetensors(join(dir, "adapter_model.safetensors"), new Map(renamed));
    return;
  }
  await saveCheckpoint(model, policy.trainable, dir, { dtype: "float32" });
}

/** The numbers of a tensor that is to be written. */
export const numbersOf = async ({ data }: Pick<WritableTensor, "data">): Promise<Float32Array> =>
  typeof data === "function" ? data() : data;

/** A type of weights, by the names of transformers. */
export const dtypes = ["float32", "float16", "bfloat16"] as const;
/** The number format of a merged checkpoint. */
export type Dtype = (typeof dtypes)[number];

const storedNames = { float32: "F32", float16: "F16", bfloat16: "BF16" } as const;

export interface SaveOptions {
  /** Keys of the language model's configuration that the weights have changed. */
  readonly changed?: Readonly<Record<string, unknown>>;
  /** The type of all weights; without it, each tensor has its own, and the configuration keeps what it says. */
  readonly dtype?: Dtype | undefined;
  /** Bytes of a weight file, above which weights are split into several with an index (all in one). */
  readonly shardBytes?: number;
}

/** Writes all files of an adapter except its weights. */
export async function saveAdapterSettings(
  model: VisionLanguageModel,
  policy: Pick<Policy, "trainable">,
  lora: LoraConfig,
  dir: string,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeJson(join(dir, "adapter_config.json"), peftConfig(model, policy, lora));
}

/** The name that PEFT gives a tensor of an adapter. */
export const peftName = ({ transformersName }: Architecture, canonical: string): string =>
  `base_model.model.${transformersName(canonical)}`;

/**
 * Writes a whole Hugging Face directory with the model's settings and these weights, one in memory at a time if need
 * be.
 * @throws CheckpointError naming a tensor with a number that is not finite, or too large for its type
 */
export async function saveCheckpoint(
  model: VisionLanguageModel,
  weights: ReadonlyMap<string, WritableTensor>,
  dir: string,
  { changed = {}, dtype, shardBytes = Number.POSITIVE_INFINITY }: SaveOptions = {},
): Promise<void> {
  await saveSettings(model, dir, { changed, dtype });
  const tensors = [...weights].map(([name, { dtype: own = "F32", shape, data }]) => {
    const type = dtype ? storedNames[dtype] : own;
    const checked = async () => {
      const numbers = await numbersOf({ data });
      const bad = firstBeyond(numbers, type);
      if (bad === undefined) return numbers;
      throw new CheckpointError(`${dir}: ${name}: expected finite numbers that ${type} can hold, got ${bad}`);
    };
    return [model.architecture.storedName(name), { shape, dtype: type, data: checked }] as const;
  });
  await writeWeights(dir, tensors, shardBytes);
}

/** Writes all files of a Hugging Face directory except the weights. */
export async function saveSettings(
  model: Pick<VisionLanguageModel, "dir">,
  dir: string,
  { changed = {}, dtype }: Pick<SaveOptions, "changed" | "dtype">,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of await readdir(model.dir))
    if (isCopiedAlong(file)) await copyFile(join(model.dir, file), join(dir, file));
  const { text_config: text, ...outer } = withDtype(await readJson(join(model.dir, "config.json")), dtype) as {
    text_config?: object | null;
  };
  // Old files have one level. In new ones each reader looks at the level that it knows.
  const config = { ...outer, ...(text && { text_config: { ...text, ...changed } }), ...changed };
  await writeJson(join(dir, "config.json"), config);
}

type NamedTensor = readonly [name: string, tensor: WritableTensor & { readonly dtype: StoredDtype }];

/** Writes weights in one file, or in several with an index if one would be too large. */
async function writeWeights(dir: string, tensors: readonly NamedTensor[], shardBytes: number): Promise<void> {
  const shards: NamedTensor[][] = [[]];
  let [size, total] = [0, 0];
  for (const named of tensors) {
    const bytes = bytesOf(named[1]);
    if (size > 0 && size + bytes > shardBytes) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)!.push(named);
    size += bytes;
    total += bytes;
  }
  if (shards.length === 1) return writeSafetensors(join(dir, "model.safetensors"), new Map(tensors));
  const number = (i: number) => String(i).padStart(5, "0");
  const fileOf = (i: number) => `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(dir, fileOf(i)), new Map(shard));
  const map = shards.flatMap((shard, i) => shard.map(([name]) => [name, fileOf(i)] as const));
  await writeJson(join(dir, indexFile), { metadata: { total_size: total }, weight_map: Object.fromEntries(map) });
}

/**
 * Reads what `savePolicy` wrote, by the names of the policy's own tensors. An adapter may also come from Python's PEFT,
 * a checkpoint from any source of a `model`.
 * @throws CheckpointError naming what is missing, too many or of another shape, or an adapter's other rank or scale
 */
export async function readPolicy(
  { architecture, trainable, lora }: Policy,
  dir: string,
): Promise<Map<string, Float32Array>> {
  const adapter = await checkKind(dir, lora);
  if (lora) return readTensors(adapter, trainable, architecture.canonicalName);
  const checkpoint = await openCheckpoint(dir, architecture).catch(unusable);
  const weights = new Map<string, Float32Array>();
  for (const name of trainable.keys()) weights.set(name, await checkpoint.read(name));
  return weights;
}

/**
 * Checks that a folder holds an adapter of this rank and scale, or a whole checkpoint where there is no LoRA, and that
 * its files are as they were written.
 * @returns the path of the adapter's weights
 * @throws CheckpointError naming what it is instead
 */
export async function checkKind(dir: string, lora: LoraConfig | undefined): Promise<string> {
  // Only checkpoints of runs have digests.
  const problem = (await exists(join(dir, sumsFile))) ? await sumsProblem(dir) : undefined;
  if (problem !== undefined) throw new CheckpointError(problem);
  const adapter = await adapterWeights(dir);
  const isWhole = await weightFiles(dir).then(
    () => true,
    () => false,
  );
  if (lora) {
    if (isWhole && !(await exists(adapter)))
      throw new CheckpointError(
        `${dir}: expected a LoRA adapter, got a whole checkpoint: it is of a trainer without lora, or a model to start from`,
      );
    await checkScale(join(dir, "adapter_config.json"), lora);
  } else if (!isWhole && (await exists(adapter)))
    throw new CheckpointError(
      `${dir}: expected a whole checkpoint, got a LoRA adapter: it is of a trainer with lora; mergeAdapter makes a checkpoint of it`,
    );
  return adapter;
}

/**
 * Reads exactly the tensors of `expected`, or nothing if the file has others.
 * @param ownName maps a name in the file to its name in `expected`
 */
export async function readTensors(
  path: string,
  expected: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  ownName?: (stored: string) => string,
): Promise<Map<string, Float32Array>> {
  const tensors = new Map<string, Float32Array>();
  for (const [name, tensor] of await findTensors(path, expected, ownName))
    tensors.set(name, await readNumbers(path, name, tensor));
  return tensors;
}

export async function findTensors(
  path: string,
  expected: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  ownName: (stored: string) => string = (stored) => stored,
): Promise<Map<string, HeaderTensor>> {
  const stored = await readHeader(path).catch(unusable);
  const found = byOwnName(path, stored, ownName);
  const show = (tensor?: { readonly shape: readonly number[] }) => (tensor ? `[${tensor.shape.join(", ")}]` : "none");
  const problems = [...new Set([...expected.keys(), ...found.keys()])].flatMap((name) => {
    const [wanted, got] = [show(expected.get(name)), show(found.get(name))];
    return wanted === got ? [] : [`${name}: expected ${wanted}, got ${got}`];
  });
  if (problems.length > 0)
    throw new CheckpointError(
      `${path}: not what is being trained${emptyShards(stored)}\n  ${listed(problems, "\n  ", mostProblems)}`,
    );
  return found;
}

/** Lines of an error. */
const mostProblems = 20;

/** @throws CheckpointError when two names map to one tensor */
export function byOwnName(
  path: string,
  stored: ReadonlyMap<string, HeaderTensor>,
  ownName: (stored: string) => string,
): Map<string, HeaderTensor> {
  const found = new Map<string, HeaderTensor>();
  for (const [name, tensor] of stored) {
    const own = ownName(name);
    if (found.has(own)) throw new CheckpointError(`${path}: ${own}: expected one tensor, got another as ${name}`);
    found.set(own, tensor);
  }
  return found;
}

/** @throws CheckpointError for a tensor of an unreadable type */
export async function readNumbers(path: string, name: string, tensor: HeaderTensor): Promise<Float32Array> {
  if (!isStored(tensor)) throw new CheckpointError(`${path}: ${name}: expected F32, F16 or BF16, got ${tensor.dtype}`);
  return readTensor(path, tensor).catch(unusable);
}

const writeJson = (path: string, json: unknown) => writeFile(path, `${JSON.stringify(json, null, 2)}\n`);

/** Marks the config with the type of its weights; otherwise transformers would cast them to their original type. */
const withDtype = (config: unknown, dtype: Dtype | undefined): unknown =>
  JSON.parse(JSON.stringify(config), (key, value) => (dtype && /^(torch_)?dtype$/.test(key) ? dtype : value));
