import { z } from "zod";
import { CheckpointError } from "../../errors";
import { readJson } from "../model-directory";
import { isTarget, type LoraConfig, linearLayers, loraNames } from "./adapter";
import type { Qwen2Vl } from "./model";
import type { Policy } from "./policy";
import { canonicalName } from "./weights";

/** Turns a file's error into one about the checkpoint it belongs to. */
export const unusable = (cause: Error): never => {
  throw new CheckpointError(cause.message, { cause });
};

/** transformers 4.52 and later keep both towers one level deeper, and PEFT follows it. */
export const peftName = (name: string) =>
  `base_model.model.${name.replace(/^visual\./, "model.visual.").replace(/^model\.layers\./, "model.language_model.layers.")}`;

export const ownName = (name: string) => canonicalName(name.replace(/^base_model\.model\./, ""));

/** How PEFT scales an adapter, and which model it names. */
const scaleSchema = z.object({
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  base_model_name_or_path: z.string().nullish(),
  revision: z.string().nullish(),
});

/** Settings of PEFT under which there is more, or something else, than W + scale · B A; each says nothing where it is null, false or empty. */
const beyondLora = [
  ...["use_dora", "use_qalora", "use_bdlora", "lora_bias", "rank_pattern", "alpha_pattern", "modules_to_save"],
  ...["layer_replication", "alora_invocation_tokens", "trainable_token_indices", "target_parameters", "arrow_config"],
  ...["loftq_config", "corda_config", "lora_ga_config"],
];

/** Starts that leave the model's own weights alone; PEFT takes others (pissa, olora, …) out of them again when it loads an adapter. */
const plainStarts = [true, false, null, undefined, "gaussian", "orthogonal", "eva"];

/** @throws CheckpointError naming each setting under which an adapter would be another network */
export async function readAdapterConfig(path: string): Promise<z.infer<typeof scaleSchema>> {
  const json: Record<string, unknown> = Object(await readJson(path).catch(unusable));
  const { peft_type = "LORA", bias = "none", init_lora_weights } = json;
  const saysNothing = (value: unknown) =>
    value == null || value === false || (typeof value === "object" && Object.keys(value).length === 0);
  const others = Object.entries({
    ...(peft_type !== "LORA" && { peft_type }),
    ...(bias !== "none" && { bias }),
    ...(!plainStarts.includes(init_lora_weights as string) && { init_lora_weights }),
    ...Object.fromEntries(beyondLora.flatMap((key) => (saysNothing(json[key]) ? [] : [[key, json[key]]]))),
  });
  if (others.length > 0)
    throw new CheckpointError(
      `${path}: expected plain LoRA, found ${others.map(([key, value]) => `${key} ${JSON.stringify(value)}`).join(", ")}`,
    );
  const parsed = scaleSchema.safeParse(json);
  if (!parsed.success) throw new CheckpointError(`${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** @throws CheckpointError for an adapter of another rank or scale */
export async function checkScale(path: string, { rank, alpha = 2 * rank, rsLora = false }: LoraConfig): Promise<void> {
  const { r, lora_alpha, use_rslora } = await readAdapterConfig(path);
  const show = (...[r, alpha, rs]: readonly unknown[]) => `r ${r} and lora_alpha ${alpha}${rs ? ", use_rslora" : ""}`;
  const [expected, found] = [show(rank, alpha, rsLora), show(r, lora_alpha, use_rslora)];
  if (found !== expected) throw new CheckpointError(`${path}: expected ${expected}; found ${found}`);
}

/** What adapter_config.json says of an adapter. */
export function peftConfig({ config, name, dir }: Qwen2Vl, { trainable }: Policy, lora: LoraConfig) {
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
