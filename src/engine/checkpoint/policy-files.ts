import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { sumsFile, sumsProblem } from "../../files/checksums";
import { emptyShards, openCheckpoint } from "../../models/checkpoint/weights";
import { exists, isCopiedAlong, readJson, weightFiles } from "../../models/files/directory";
import {
  type HeaderTensor,
  isStored,
  readHeader,
  readTensor,
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
  await saveCheckpoint(model, policy.trainable, dir);
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
 * @param changed keys of the language model's configuration that the weights have changed
 */
export async function saveCheckpoint(
  model: VisionLanguageModel,
  weights: ReadonlyMap<string, WritableTensor>,
  dir: string,
  changed: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await saveSettings(model, dir, changed);
  const renamed = [...weights].map(([name, tensor]) => [model.architecture.storedName(name), tensor] as const);
  await writeSafetensors(join(dir, "model.safetensors"), new Map(renamed));
}

/** Writes all files of a Hugging Face directory except the weights, which are float32. */
export async function saveSettings(
  model: Pick<VisionLanguageModel, "dir">,
  dir: string,
  changed: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of await readdir(model.dir))
    if (isCopiedAlong(file)) await copyFile(join(model.dir, file), join(dir, file));
  const { text_config: text, ...outer } = inFloat32(await readJson(join(model.dir, "config.json"))) as {
    text_config?: object | null;
  };
  // Old files have one level. In new ones each reader looks at the level that it knows.
  const config = { ...outer, ...(text && { text_config: { ...text, ...changed } }), ...changed };
  await writeJson(join(dir, "config.json"), config);
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
        `${dir}: expected a LoRA adapter, found a whole checkpoint: it is of a trainer without lora, or a model to start from`,
      );
    await checkScale(join(dir, "adapter_config.json"), lora);
  } else if (!isWhole && (await exists(adapter)))
    throw new CheckpointError(
      `${dir}: expected a whole checkpoint, found a LoRA adapter: it is of a trainer with lora; mergeAdapter makes a checkpoint of it`,
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

/** Finds the tensors that `readTensors` would read. */
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
    return wanted === got ? [] : [`${name}: expected ${wanted}, found ${got}`];
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
    if (found.has(own)) throw new CheckpointError(`${path}: ${own}: expected once, found again as ${name}`);
    found.set(own, tensor);
  }
  return found;
}

/** @throws CheckpointError for a tensor of an unreadable type */
export async function readNumbers(path: string, name: string, tensor: HeaderTensor): Promise<Float32Array> {
  if (!isStored(tensor))
    throw new CheckpointError(`${path}: ${name}: expected F32, F16 or BF16, found ${tensor.dtype}`);
  return readTensor(path, tensor).catch(unusable);
}

const writeJson = (path: string, json: unknown) => writeFile(path, `${JSON.stringify(json, null, 2)}\n`);

/** Marks the config as float32; otherwise transformers would cast the weights to their original type. */
const inFloat32 = (config: unknown): unknown =>
  JSON.parse(JSON.stringify(config), (key, value) => (/^(torch_)?dtype$/.test(key) ? "float32" : value));
