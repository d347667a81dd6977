import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../rng";
import { configJson, type Qwen2VlConfig } from "../families/qwen2-vl/config";
import { type StoredDtype, type WritableTensor, writeSafetensors } from "../files/safetensors";
import { expectedTensors } from "./weights";

/** Standard deviation of fresh weights, as transformers initialises them. */
const initializerRange = 0.02;

/**
 * Writes config.json and model.safetensors of a fresh model: normal weights, zero biases, unit norms. Projections back into the residual stream
 * are narrower by √(2 · layers), as in GPT-2, so that depth does not blow activations up.
 */
export async function initialiseCheckpoint(
  dir: string,
  config: Qwen2VlConfig,
  { seed, dtype = "F32" }: { readonly seed: number; readonly dtype?: StoredDtype },
): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "config.json"), `${JSON.stringify(configJson(config), null, 2)}\n`);
  const tensors = new Map<string, WritableTensor>();
  for (const [name, shape] of expectedTensors(config))
    tensors.set(name, { shape, data: () => freshTensor(name, shape, config, seed) });
  await writeSafetensors(join(dir, "model.safetensors"), tensors, dtype);
}

function freshTensor(
  name: string,
  shape: readonly number[],
  { text, vision }: Qwen2VlConfig,
  seed: number,
): Float32Array {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (name.endsWith(".bias")) return data;
  if (/norm|ln_q/.test(name)) return data.fill(1);
  const residual = /o_proj|down_proj|attn\.proj|fc2/.test(name);
  const depth = name.startsWith("visual.") ? vision.depth : text.layers;
  const deviation = residual ? initializerRange / Math.sqrt(2 * depth) : initializerRange;
  const rng = createRng(seed, "initialise", name);
  for (let i = 0; i < data.length; i++) data[i] = rng.normal() * deviation;
  return data;
}
