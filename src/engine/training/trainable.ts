import type { Precision } from "../../models/checkpoint/quantize";
import type { VisionLanguageModel } from "../../models/open-model";
import { sharedTensors } from "../../optim/shared-tensors";
import { createAdapter, type LoraConfig, type TrainableTensor } from "../adapter";
import type { Policy } from "../policy";
import { inHalf } from "../precision";

/** Selects the trained weights, and the precision that products with the frozen ones use. */
interface TrainableOptions {
  /** Train an adapter instead of every weight. */
  readonly lora?: LoraConfig | undefined;
  /** Seed of an adapter's initial matrices. */
  readonly seed: number;
  readonly precision: Exclude<Precision, "int8" | "int4">;
}

/** Makes a policy that starts as the model's checkpoint: every weight is trainable, or with `lora` an adapter is. */
export async function trainablePolicy(
  { architecture, checkpoint }: Pick<VisionLanguageModel, "architecture" | "checkpoint">,
  { lora, seed, precision }: TrainableOptions,
): Promise<Policy> {
  if (!lora) return { architecture, checkpoint, trainable: await shared(checkpoint.tensors, checkpoint.read) };
  const adapter = createAdapter(architecture, lora, seed);
  const trainable = await shared(adapter, async (name) => adapter.get(name)!.data);
  return { architecture, checkpoint, lora, trainable, halfProducts: inHalf(checkpoint, precision) };
}

/** Makes a policy whose adapter was trained before. */
export async function adaptedPolicy(
  { architecture, checkpoint }: Pick<VisionLanguageModel, "architecture" | "checkpoint">,
  { lora, tensors }: { readonly lora: LoraConfig; readonly tensors: ReadonlyMap<string, TrainableTensor> },
  precision: Precision,
): Promise<Policy> {
  const trainable = await shared(tensors, async (name) => tensors.get(name)!.data);
  return { architecture, checkpoint, lora, trainable, halfProducts: inHalf(checkpoint, precision) };
}

/** Copies tensors to shared memory, where one thread runs graphs over them and the optimizer's threads update them. */
async function shared(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  read: (name: string) => Promise<Float32Array>,
): Promise<Map<string, TrainableTensor>> {
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const copies = sharedTensors([...tensors].map(([name, { shape }]) => [name, size(shape)] as const));
  for (const [name, copy] of copies) copy.set(await read(name));
  return new Map([...tensors].map(([name, { shape }]) => [name, { shape, data: copies.get(name)! }]));
}
