import { join } from "node:path";
import { CheckpointError } from "../../errors";
import { loraNames, loraScale } from "./adapter";
import { openQwen2Vl } from "./model";
import { ownName, readAdapterConfig, unusable } from "./peft-format";
import { saveCheckpoint } from "./policy-files";
import { readSafetensors, type WritableTensor } from "./safetensors";

/**
 * Writes a whole checkpoint with an adapter folded in, W + scale · B A, as a Hugging Face directory in float32: it needs no PEFT, and is a
 * `model` for `onnxBackend` and `onnxTrainer`.
 * @param adapter folder that `trainer.save` or PEFT wrote
 * @param dir folder to write
 * @param options.model checkpoint that the adapter belongs to (the one that its adapter_config.json names)
 * @throws CheckpointError naming the adapter's matrices that the checkpoint has no place for
 */
export async function mergeAdapter(
  adapter: string,
  dir: string,
  options: { readonly model?: string } = {},
): Promise<void> {
  const path = join(adapter, "adapter_config.json");
  const { r, lora_alpha, use_rslora, base_model_name_or_path: named, revision } = await readAdapterConfig(path);
  const base = options.model ?? (named && revision ? `${named}@${revision}` : named);
  if (!base) throw new CheckpointError(`${path}: expected base_model_name_or_path, or options.model; got neither`);
  const scale = loraScale({ rank: r, alpha: lora_alpha, rsLora: use_rslora ?? false });
  const stored = await readSafetensors(join(adapter, "adapter_model.safetensors")).catch(unusable);
  const matrices = new Map([...stored].map(([name, tensor]) => [ownName(name), tensor]));
  const model = await openQwen2Vl(base).catch((cause: Error) => {
    if (options.model) throw cause;
    throw new CheckpointError(
      `${path}: expected to find what it names as its model, or options.model: ${cause.message}`,
      { cause },
    );
  });
  const { checkpoint } = model;

  const merged = new Map<string, WritableTensor>();
  for (const [name, { shape }] of checkpoint.tensors) {
    const { a: nameA, b: nameB } = loraNames(name.replace(/\.weight$/, ""));
    const [a, b] = [matrices.get(nameA), matrices.get(nameB)];
    const fits = a && b && `${a.shape} ${b.shape}` === `${[r, shape[1]]} ${[shape[0], r]}`;
    if (fits) for (const used of [nameA, nameB]) matrices.delete(used);
    // Computed when it is written: of a large checkpoint one matrix is in memory.
    const data = async () => {
      const weight = await checkpoint.read(name);
      if (fits) addProduct(weight, a.data, b.data, r, scale);
      return weight;
    };
    merged.set(name, { shape, data });
  }
  if (matrices.size > 0) {
    const left = [...matrices].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
    throw new CheckpointError(
      `${adapter}: expected matrices of rank ${r} for ${base}; no place for ${left.join(", ")}`,
    );
  }
  await saveCheckpoint(model, merged, dir);
}

/** W ← W + scale · B A, with W [out, in], A [rank, in], B [out, rank]. */
function addProduct(w: Float32Array, a: Float32Array, b: Float32Array, rank: number, scale: number): void {
  const inputs = a.length / rank;
  const row = new Float64Array(inputs);
  for (let out = 0; out * rank < b.length; out++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const weight = scale * b[out * rank + k]!;
      for (let i = 0; i < inputs; i++) row[i]! += weight * a[k * inputs + i]!;
    }
    for (let i = 0; i < inputs; i++) w[out * inputs + i]! += row[i]!;
  }
}
