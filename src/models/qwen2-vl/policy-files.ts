import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { type LoraConfig, linearLayers, loraNames, type TrainableTensor } from "./adapter";
import type { Qwen2Vl } from "./model";
import type { Policy } from "./policy";
import { readSafetensors, writeSafetensors } from "./safetensors";

const peftPrefix = "base_model.model.";

/**
 * Writes the trained weights as others read them: a whole Hugging Face directory where every weight is trained, a PEFT adapter where
 * LoRA is. Numbers are float32, so that what is loaded again is what was saved.
 */
export async function savePolicy(model: Qwen2Vl, policy: Policy, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  if (policy.lora) {
    await writeFile(
      join(dir, "adapter_config.json"),
      `${JSON.stringify(peftConfig(model, policy, policy.lora), null, 2)}\n`,
    );
    const renamed = [...policy.trainable].map(([name, tensor]) => [`${peftPrefix}${name}`, tensor] as const);
    await writeSafetensors(join(dir, "adapter_model.safetensors"), new Map(renamed));
    return;
  }
  for (const file of await readdir(model.dir))
    if (/\.(json|txt|jinja)$/.test(file) && !file.endsWith(".index.json"))
      await copyFile(join(model.dir, file), join(dir, file));
  await writeSafetensors(join(dir, "model.safetensors"), policy.trainable);
}

/**
 * Reads back what `savePolicy` wrote, into the policy's own arrays.
 * @throws CheckpointError naming a tensor that is missing or has another shape
 */
export async function loadPolicy(policy: Policy, dir: string): Promise<void> {
  const [file, prefix] = policy.lora ? ["adapter_model.safetensors", peftPrefix] : ["model.safetensors", ""];
  const stored = await readSafetensors(join(dir, file)).catch((cause: unknown) => {
    throw new CheckpointError(`${dir}: no readable ${file}: ${String(cause)}`, { cause });
  });
  copyTensors(stored, policy.trainable, prefix, join(dir, file));
}

/** Copies every tensor of `into` from `stored`, by name. */
export function copyTensors(
  stored: ReadonlyMap<string, TrainableTensor>,
  into: ReadonlyMap<string, TrainableTensor>,
  prefix: string,
  where: string,
): void {
  for (const [name, { data, shape }] of into) {
    const found = stored.get(prefix + name);
    if (!found || found.shape.join() !== shape.join())
      throw new CheckpointError(
        `${where}: expected ${prefix}${name} [${shape.join(", ")}], found ${found ? `[${found.shape.join(", ")}]` : "none"}`,
      );
    data.set(found.data);
  }
}

function peftConfig({ config, dir }: Qwen2Vl, { trainable }: Policy, { rank, alpha = 2 * rank }: LoraConfig) {
  const adapted = linearLayers(config).filter(({ name }) => trainable.has(loraNames(name).a));
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: dir,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: "none",
    target_modules: [...new Set(adapted.map(({ name }) => name.split(".").at(-1)!))],
  };
}
