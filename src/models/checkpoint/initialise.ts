import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../rng";
import { type StoredDtype, type WritableTensor, writeSafetensors } from "../files/safetensors";
import type { Architecture } from "../parts/architecture";
import { expectedTensors, linearLayers } from "./recorded";

/** Standard deviation of fresh weights, as transformers initialises them. */
const initializerRange = 0.02;

/**
 * Writes config.json and model.safetensors of a fresh model: normal weights, zero biases, unit norms. As in GPT-2, the
 * deviation of projections into the residual stream is divided by √(their number in their tower), so that activations
 * do not grow with depth.
 */
export async function initialise(
  dir: string,
  architecture: Architecture,
  { seed, dtype = "F32" }: { readonly seed: number; readonly dtype?: StoredDtype },
): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "config.json"), `${JSON.stringify(architecture.configJson(), null, 2)}\n`);
  const deviations = residualDeviations(architecture);
  const tensors = new Map<string, WritableTensor>();
  for (const [name, shape] of expectedTensors(architecture)) {
    const data = () => freshTensor(name, shape, deviations.get(name) ?? initializerRange, seed);
    tensors.set(architecture.storedName(name), { shape, data });
  }
  await writeSafetensors(join(dir, "model.safetensors"), tensors, dtype);
}

/** The deviation of each matrix whose product is added to a residual stream. */
function residualDeviations(architecture: Architecture): ReadonlyMap<string, number> {
  const residual = linearLayers(architecture).filter(({ intoResidual }) => intoResidual);
  const isVision = (name: string) => name.startsWith(architecture.visionPrefix);
  return new Map(
    residual.map(({ name }) => {
      const inTower = residual.filter((other) => isVision(other.name) === isVision(name)).length;
      return [`${name}.weight`, initializerRange / Math.sqrt(inTower)];
    }),
  );
}

function freshTensor(name: string, shape: readonly number[], deviation: number, seed: number): Float32Array {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (name.endsWith(".bias")) return data;
  // A vector that is not a bias scales a norm.
  if (shape.length === 1) return data.fill(1);
  const rng = createRng(seed, "initialise", name);
  for (let i = 0; i < data.length; i++) data[i] = rng.normal() * deviation;
  return data;
}
