import { ConfigError } from "../../errors";
import { createRng } from "../../rng";
import type { Qwen2VlConfig } from "./config";

/** Low-rank adaptation (Hu et al. 2021): W x + (alpha / rank) · B A x, with W frozen. */
export interface LoraConfig {
  readonly rank: number;
  /** Numerator of the scale (2 · rank). */
  readonly alpha?: number;
  /** Linear layers by the last part of their name ("q_proj"); all of the language model's by default. */
  readonly targetModules?: readonly string[];
}

export interface TrainableTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Every linear layer of the language model, with its sizes. */
export function linearLayers({ text }: Qwen2VlConfig): { name: string; outputs: number; inputs: number }[] {
  const kv = text.kvHeads * text.headDim;
  const layer = {
    "self_attn.q_proj": [text.heads * text.headDim, text.hiddenSize],
    "self_attn.k_proj": [kv, text.hiddenSize],
    "self_attn.v_proj": [kv, text.hiddenSize],
    "self_attn.o_proj": [text.hiddenSize, text.heads * text.headDim],
    "mlp.gate_proj": [text.intermediateSize, text.hiddenSize],
    "mlp.up_proj": [text.intermediateSize, text.hiddenSize],
    "mlp.down_proj": [text.hiddenSize, text.intermediateSize],
  } as const;
  return Array.from({ length: text.layers }, (_, i) =>
    Object.entries(layer).map(([name, [outputs, inputs]]) => ({ name: `model.layers.${i}.${name}`, outputs, inputs })),
  ).flat();
}

/** The names of the two matrices of an adapted layer. */
export const loraNames = (module: string) => ({ a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` });

export const loraScale = ({ rank, alpha = 2 * rank }: LoraConfig) => alpha / rank;

/**
 * Fresh adapter matrices as PEFT initialises them: A uniform in ±1/√in (Kaiming, a = √5), B zero, so that the policy starts as the base model.
 * @throws ConfigError for a rank that is no positive integer, or target modules that the model lacks
 */
export function createAdapter(config: Qwen2VlConfig, lora: LoraConfig, seed: number): Map<string, TrainableTensor> {
  if (!Number.isInteger(lora.rank) || lora.rank < 1)
    throw new ConfigError(`lora.rank: expected a positive integer, got ${lora.rank}`);
  const layers = linearLayers(config);
  const unknown = lora.targetModules?.filter((target) => !layers.some(({ name }) => name.endsWith(`.${target}`))) ?? [];
  if (unknown.length > 0) {
    const known = [...new Set(layers.map(({ name }) => name.split(".").at(-1)))].join(", ");
    throw new ConfigError(`lora.targetModules: expected some of ${known}; got ${unknown.join(", ")}`);
  }
  const tensors = new Map<string, TrainableTensor>();
  for (const { name, outputs, inputs } of layers) {
    if (lora.targetModules && !lora.targetModules.some((target) => name.endsWith(`.${target}`))) continue;
    const rng = createRng(seed, "lora", name);
    const bound = 1 / Math.sqrt(inputs);
    const a = Float32Array.from({ length: lora.rank * inputs }, () => (2 * rng.uniform() - 1) * bound);
    tensors.set(loraNames(name).a, { shape: [lora.rank, inputs], data: a });
    tensors.set(loraNames(name).b, { shape: [outputs, lora.rank], data: new Float32Array(outputs * lora.rank) });
  }
  return tensors;
}
