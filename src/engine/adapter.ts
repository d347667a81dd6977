import { ConfigError } from "../errors";
import { type LinearLayer, linearLayers } from "../models/checkpoint/recorded";
import { defaultModel, type LoadOptions, loadSpec, modelOption } from "../models/open-model";
import type { Architecture } from "../models/parts/architecture";
import { count, flag, given, number, requiredGroup, seed, specOf } from "../options/spec";
import { createRng } from "../rng";

/** Low-rank adaptation (Hu et al. 2021): W x + scale · B A x, with W frozen. */
export interface LoraConfig {
  readonly rank: number;
  /** Numerator of the scale (2 · rank). */
  readonly alpha?: number;
  /** Uses alpha / √rank as the scale instead of alpha / rank (false): rsLoRA, Kalajdzievski, arXiv 2312.03732. */
  readonly rsLora?: boolean;
  /** Linear layers by the end of their name ("q_proj", "attn.qkv"), or all of both towers (the language model's). */
  readonly targetModules?: readonly string[] | "all-linear";
}

export const loraSpec = specOf<LoraConfig>()(() => ({
  rank: count().describe("The rank of the adapter's matrices"),
  alpha: number("a finite number above 0", (value) => value > 0 && Number.isFinite(value))
    .exactOptional()
    .describe("Numerator of the scale; 2 · rank without it"),
  rsLora: flag().default(false).describe("The scale is alpha / √rank, not alpha / rank (rsLoRA)"),
  targetModules: given<readonly string[] | "all-linear">('"all-linear", or a list of ends of layer names')
    .exactOptional()
    .describe("Linear layers by the end of their name, or all; those of the language model without it"),
}));

/** Options of every trainer about its model. */
export interface TrainedModelOptions extends LoadOptions {
  /** A checkpoint: a Hugging Face directory, or a hub id, "owner/name" or "owner/name@revision" (`defaultModel`). */
  readonly model?: string;
  /** Train an adapter instead of every weight. */
  readonly lora?: LoraConfig;
  /** Seed of LoRA's initial matrices (0). */
  readonly seed?: number;
}

export const trainedModelSpec = specOf<TrainedModelOptions>()(() => ({
  model: modelOption().default(defaultModel).describe("A checkpoint: a Hugging Face directory, or a hub id"),
  lora: requiredGroup(loraSpec()).optional().describe("Train an adapter instead of every weight"),
  seed: seed().default(0).describe("The seed of LoRA's initial matrices"),
  ...loadSpec(),
}));

export interface TrainableTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Whether `target`, the end of a name, matches this layer. */
export const isTarget = (name: string, target: string) => name.endsWith(`.${target}`);

/** The names of the two matrices of an adapted layer. */
export const loraNames = (module: string) => ({ a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` });

export const loraScale = ({ rank, alpha = 2 * rank, rsLora = false }: LoraConfig) =>
  alpha / (rsLora ? Math.sqrt(rank) : rank);

/**
 * Fresh adapter matrices as PEFT initialises them: A uniform in ±1/√in (Kaiming, a = √5), B zero, so that the policy
 * starts as the base model.
 * @throws ConfigError for target modules that the model lacks
 */
export function createAdapter(
  architecture: Architecture,
  lora: LoraConfig,
  seed: number,
): Map<string, TrainableTensor> {
  const tensors = new Map<string, TrainableTensor>();
  for (const { name, outputs, inputs } of targetLayers(architecture, lora)) {
    const rng = createRng(seed, "lora", name);
    const bound = 1 / Math.sqrt(inputs);
    const a = Float32Array.from({ length: lora.rank * inputs }, () => (2 * rng.uniform() - 1) * bound);
    tensors.set(loraNames(name).a, { shape: [lora.rank, inputs], data: a });
    tensors.set(loraNames(name).b, { shape: [outputs, lora.rank], data: new Float32Array(outputs * lora.rank) });
  }
  return tensors;
}

/** The layers that get an adapter. */
export function targetLayers(architecture: Architecture, { targetModules }: LoraConfig): LinearLayer[] {
  const layers = linearLayers(architecture);
  if (targetModules === "all-linear") return layers;
  if (!targetModules) return layers.filter(({ name }) => name.startsWith(architecture.languagePrefix));
  const expected = () =>
    `lora.targetModules: expected "all-linear" or a list of ends of ${[...new Set(layers.map(({ name }) => name.split(".").slice(-2).join(".")))].join(", ")}`;
  if (!Array.isArray(targetModules) || targetModules.length === 0)
    throw new ConfigError(`${expected()}; got ${JSON.stringify(targetModules)}`);
  const unknown = targetModules.filter((target) => !layers.some(({ name }) => isTarget(name, target)));
  if (unknown.length > 0) throw new ConfigError(`${expected()}; got ${unknown.join(", ")}`);
  return layers.filter(({ name }) => targetModules.some((target) => isTarget(name, target)));
}
