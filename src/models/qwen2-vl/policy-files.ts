import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../../errors";
import { exists, isCopiedAlong, readJson } from "../model-directory";
import { isTarget, type LoraConfig, linearLayers, loraNames } from "./adapter";
import type { Qwen2Vl } from "./model";
import type { Policy } from "./policy";
import { readSafetensors, type WritableTensor, writeSafetensors } from "./safetensors";
import { canonicalName } from "./weights";

/**
 * Writes the trained weights as others read them: a whole Hugging Face directory where every weight is trained, a PEFT adapter where
 * LoRA is. Numbers are float32, so that what is loaded again is what was saved.
 */
export async function savePolicy(model: Qwen2Vl, policy: Policy, dir: string): Promise<void> {
  if (policy.lora) {
    await mkdir(dir, { recursive: true });
    await writeJson(join(dir, "adapter_config.json"), peftConfig(model, policy, policy.lora));
    const renamed = [...policy.trainable].map(([name, tensor]) => [peftName(name), tensor] as const);
    await writeSafetensors(join(dir, "adapter_model.safetensors"), new Map(renamed));
    return;
  }
  await saveCheckpoint(model, policy.trainable, dir);
}

/** Writes a whole Hugging Face directory with the model's settings and these weights, one of which is in memory at a time if need be. */
export async function saveCheckpoint(
  model: Qwen2Vl,
  weights: ReadonlyMap<string, WritableTensor>,
  dir: string,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of await readdir(model.dir))
    if (isCopiedAlong(file)) await copyFile(join(model.dir, file), join(dir, file));
  await writeJson(join(dir, "config.json"), inFloat32(await readJson(join(model.dir, "config.json"))));
  await writeSafetensors(join(dir, "model.safetensors"), weights);
}

/**
 * Reads what `savePolicy` wrote, by the names of the policy's own tensors. An adapter may also come from Python's PEFT.
 * @throws CheckpointError naming what is missing, too many or of another shape, or an adapter's other rank or scale
 */
export async function readPolicy({ trainable, lora }: Policy, dir: string): Promise<Map<string, Float32Array>> {
  const [whole, adapter] = ["model.safetensors", "adapter_model.safetensors"].map((name) => join(dir, name));
  const [wanted, other] = lora ? [adapter!, whole!] : [whole!, adapter!];
  if (!(await exists(wanted)) && (await exists(other)))
    throw new CheckpointError(
      lora
        ? `${dir}: expected a LoRA adapter, found a whole checkpoint: it is of a trainer without lora, or a model to start from`
        : `${dir}: expected a whole checkpoint, found a LoRA adapter: it is of a trainer with lora; mergeAdapter makes a checkpoint of it`,
    );
  if (!lora) return readTensors(wanted, trainable);
  await checkScale(join(dir, "adapter_config.json"), lora);
  return readTensors(wanted, trainable, ownName);
}

/**
 * Reads exactly the tensors of `expected`.
 * @param ownName what a name in the file is called in `expected`
 */
export async function readTensors(
  path: string,
  expected: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  ownName: (stored: string) => string = (stored) => stored,
): Promise<Map<string, Float32Array>> {
  const stored = await readSafetensors(path).catch(unusable);
  const found = new Map([...stored].map(([name, tensor]) => [ownName(name), tensor]));
  const show = (tensor?: { readonly shape: readonly number[] }) => (tensor ? `[${tensor.shape.join(", ")}]` : "none");
  const problems = [...new Set([...expected.keys(), ...found.keys()])].flatMap((name) => {
    const [wanted, got] = [show(expected.get(name)), show(found.get(name))];
    return wanted === got ? [] : [`${name}: expected ${wanted}, found ${got}`];
  });
  if (problems.length > 0) throw new CheckpointError(`${path}: not what is being trained\n  ${problems.join("\n  ")}`);
  return new Map([...found].map(([name, { data }]) => [name, data]));
}

/** Turns a file's error into one about the checkpoint it belongs to. */
export const unusable = (cause: Error): never => {
  throw new CheckpointError(cause.message, { cause });
};

/** transformers 4.52 and later keep both towers one level deeper, and PEFT follows it. */
const peftName = (name: string) =>
  `base_model.model.${name.replace(/^visual\./, "model.visual.").replace(/^model\.layers\./, "model.language_model.layers.")}`;

export const ownName = (name: string) => canonicalName(name.replace(/^base_model\.model\./, ""));

/** What PEFT calls the scale, and the variants of it that are another network. */
const scaleSchema = z.object({
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.literal(false).nullish(),
  rank_pattern: z.strictObject({}).nullish(),
  alpha_pattern: z.strictObject({}).nullish(),
  base_model_name_or_path: z.string().nullish(),
  revision: z.string().nullish(),
});

/** @throws CheckpointError naming each setting under which an adapter would be another network */
export async function readAdapterConfig(path: string): Promise<z.infer<typeof scaleSchema>> {
  const parsed = scaleSchema.safeParse(await readJson(path).catch(unusable));
  if (!parsed.success) throw new CheckpointError(`${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

async function checkScale(path: string, { rank, alpha = 2 * rank, rsLora = false }: LoraConfig): Promise<void> {
  const { r, lora_alpha, use_rslora } = await readAdapterConfig(path);
  const show = (...[r, alpha, rs]: readonly unknown[]) => `r ${r} and lora_alpha ${alpha}${rs ? ", use_rslora" : ""}`;
  const [expected, found] = [show(rank, alpha, rsLora), show(r, lora_alpha, use_rslora)];
  if (found !== expected) throw new CheckpointError(`${path}: expected ${expected}; found ${found}`);
}

const writeJson = (path: string, json: unknown) => writeFile(path, `${JSON.stringify(json, null, 2)}\n`);

/** Else transformers would round the weights to the type that they were once published in. */
const inFloat32 = (config: unknown): unknown =>
  JSON.parse(JSON.stringify(config), (key, value) => (/^(torch_)?dtype$/.test(key) ? "float32" : value));

function peftConfig({ config, name, dir }: Qwen2Vl, { trainable }: Policy, lora: LoraConfig) {
  const { rank, alpha = 2 * rank, rsLora = false } = lora;
  const layers = linearLayers(config).map(({ name }) => name);
  const isAdapted = (name: string) => trainable.has(loraNames(name).a);
  // PEFT knows no ids with a revision in them.
  const [base, revision = null] = name === dir ? [dir] : name.split("@");
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    revision,
    r: rank,
    lora_alpha: alpha,
    use_rslora: rsLora,
    lora_dropout: 0,
    bias: "none",
    target_modules: [...new Set(layers.filter(isAdapted).map((name) => shortestTarget(name, layers, isAdapted)))],
  };
}

/** The shortest end of a name by which PEFT, which knows more modules than these, adapts no layer but those that are. */
function shortestTarget(name: string, layers: readonly string[], isAdapted: (name: string) => boolean): string {
  const parts = name.split(".");
  const ends = parts.map((_, i) => parts.slice(-1 - i).join("."));
  const means = (end: string) =>
    !/^\d+$/.test(end) && [...layers, patchEmbedding].every((other) => !isTarget(other, end) || isAdapted(other));
  return ends.find(means) ?? name;
}

/** No linear layer to us; PEFT would adapt it by the name of those beside it. */
const patchEmbedding = "visual.patch_embed.proj";
