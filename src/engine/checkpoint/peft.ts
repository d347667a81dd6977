import { join } from "node:path";
import * as z from "zod";
import { CheckpointError } from "../../errors";
import { linearLayers, matrixModules } from "../../models/checkpoint/recorded";
import { exists, readJson } from "../../models/files/directory";
import { check, limits, orDefault, tokenIds } from "../../models/files/fields";
import type { VisionLanguageModel } from "../../models/open-model";
import { listed, shown } from "../../options/display";
import { isTarget, type LoraConfig, loraNames } from "../adapter";
import type { Policy } from "../policy";

/** Turns a file's error into one about its checkpoint. */
export const unusable = (cause: Error): never => {
  throw new CheckpointError(cause.message, { cause });
};

/** Schema of adapter_config.json, with the defaults of PEFT's LoraConfig. */
const settingsSchema = z.object({
  r: orDefault(z.int().positive().max(limits.width), 8),
  lora_alpha: orDefault(z.number(), 8),
  use_rslora: orDefault(z.boolean(), false),
  base_model_name_or_path: z.string().nullish(),
  revision: z.string().nullish(),
  /** Rows of the embeddings, or of the named modules, that are trained whole. */
  trainable_token_indices: z.union([tokenIds, z.record(z.string(), tokenIds)]).nullish(),
  ensure_weight_tying: orDefault(z.boolean(), false),
});

export type AdapterSettings = z.infer<typeof settingsSchema>;

/** PEFT settings that add to W + scale · B A, or replace it, unless they are null, false or empty. */
const beyondLora = [
  "use_dora",
  "use_qalora",
  "use_bdlora",
  "lora_bias",
  "rank_pattern",
  "alpha_pattern",
  "layer_replication",
  "alora_invocation_tokens",
  "target_parameters",
  "arrow_config",
  "loftq_config",
  "corda_config",
  "lora_ga_config",
  "kasa_config",
  "monteclora_config",
];

/** Settings for weights that are trained besides the low-rank ones: those can be merged. */
const besidesLora = ["modules_to_save", "trainable_token_indices"];

/** Initialisations that keep the model's own weights; PEFT subtracts the others (pissa, olora, …) when loading. */
const plainStarts = [true, false, null, undefined, "gaussian", "orthogonal", "eva"];

/**
 * Reads adapter_config.json; `merging` allows whole weights besides the low-rank ones.
 * @throws CheckpointError naming each setting that would make the adapter another network
 */
export async function readAdapterConfig(path: string, merging = false): Promise<AdapterSettings> {
  const json = (await readJson(path).catch(unusable)) as Record<string, unknown> | null;
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new CheckpointError(`${path}: expected an object of settings, got ${shown(json)}`);
  const { init_lora_weights } = json;
  const [type, bias] = [json.peft_type ?? "LORA", json.bias ?? "none"];
  const saysNothing = (value: unknown) =>
    value == null || value === false || (typeof value === "object" && Object.keys(value).length === 0);
  const given = (keys: readonly string[]) => keys.flatMap((key) => (saysNothing(json[key]) ? [] : [[key, json[key]]]));
  const besides = merging ? [] : given(besidesLora);
  const others = [
    ...(type === "LORA" ? [] : [["peft_type", type]]),
    ...(bias === "none" ? [] : [["bias", bias]]),
    ...(plainStarts.includes(init_lora_weights as string) ? [] : [["init_lora_weights", init_lora_weights]]),
    ...given(beyondLora),
  ];
  if (others.length + besides.length > 0) {
    const advice = others.length === 0 ? "; mergeAdapter makes a model of it, which a trainer can begin with" : "";
    const found = [...others, ...besides].map(([key, value]) => `${key} ${shown(value)}`);
    throw new CheckpointError(`${path}: expected plain LoRA, got ${listed(found)}${advice}`);
  }
  return check(settingsSchema, json, path, (message) => new CheckpointError(message));
}

/**
 * The file of an adapter's weights.
 * @throws CheckpointError if no readable file exists
 */
export async function adapterWeights(dir: string): Promise<string> {
  const path = join(dir, "adapter_model.safetensors");
  if (!(await exists(path)) && (await exists(join(dir, "adapter_model.bin"))))
    throw new CheckpointError(
      `${path}: expected a safetensors file, got adapter_model.bin alone, which runs code when it is read; ` +
        "in Python, AutoPeftModel.from_pretrained(dir).save_pretrained(dir) writes the other",
    );
  return path;
}

/** @throws CheckpointError for an adapter of another rank or scale */
export async function checkScale(path: string, { rank, alpha = 2 * rank, rsLora = false }: LoraConfig): Promise<void> {
  const { r, lora_alpha, use_rslora } = await readAdapterConfig(path);
  const show = (...[r, alpha, rs]: readonly unknown[]) => `r ${r} and lora_alpha ${alpha}${rs ? ", use_rslora" : ""}`;
  const [expected, found] = [show(rank, alpha, rsLora), show(r, lora_alpha, use_rslora)];
  if (found !== expected) throw new CheckpointError(`${path}: expected ${expected}, got ${found}`);
}

/** The content of adapter_config.json for an adapter. */
export function peftConfig(
  { architecture, name, dir, isLocal }: VisionLanguageModel,
  { trainable }: Pick<Policy, "trainable">,
  lora: LoraConfig,
) {
  const { rank, alpha = 2 * rank, rsLora = false } = lora;
  const isAdapted = (name: string) => trainable.has(loraNames(name).a);
  const modules = matrixModules(architecture);
  const adapted = linearLayers(architecture).flatMap(({ name }) => (isAdapted(name) ? [name] : []));
  // PEFT does not accept ids with a revision.
  const [base, revision = null] = isLocal ? [dir] : name.split("@");
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
    target_modules: [...new Set(adapted.map((name) => shortestTarget(name, modules, isAdapted)))],
  };
}

/** The shortest name ending by which PEFT adapts only modules that are adapted here. */
function shortestTarget(name: string, modules: readonly string[], isAdapted: (name: string) => boolean): string {
  const parts = name.split(".");
  const ends = parts.map((_, i) => parts.slice(-1 - i).join("."));
  const means = (end: string) =>
    !/^\d+$/.test(end) && modules.every((other) => !isTarget(other, end) || isAdapted(other));
  return ends.find(means) ?? name;
}
