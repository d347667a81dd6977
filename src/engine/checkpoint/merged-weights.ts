import { CheckpointError } from "../../errors";
import type { HeaderTensor, WritableTensor } from "../../models/files/safetensors";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Architecture } from "../../models/parts/architecture";
import { type LoraConfig, loraNames, loraScale } from "../adapter";
import type { AdapterSettings } from "./peft";
import { numbersOf, readNumbers } from "./policy-files";

export interface Merged {
  readonly weights: ReadonlyMap<string, WritableTensor>;
  /** Keys of config.json that have changed. */
  readonly changed: { readonly vocab_size?: number; readonly tie_word_embeddings?: false };
  /** Tensors of the adapter that the model has no place for. */
  readonly left: readonly string[];
}

/** The tensors of an adapter, each taken once. */
interface Adapter {
  readonly settings: AdapterSettings;
  /** The adapter's tensor of this name, if it has these sizes. */
  take(name: string, sizes: readonly (number | undefined)[]): Taken | undefined;
  /** Both factors, or undefined unless both are present. */
  takeBoth(a: Factor, b: Factor): { readonly a: Taken; readonly b: Taken } | undefined;
}

interface Taken {
  readonly shape: readonly number[];
  readonly read: () => Promise<Float32Array>;
}

type Factor = readonly [name: string, sizes: readonly number[]];

/**
 * A checkpoint's weights with an adapter folded in. Each is read and computed when it is written, so that memory holds
 * one matrix of a large checkpoint.
 *
 * W₀ is the model's matrix, or the adapter's whole replacement; then some rows are replaced (`trainable_tokens_delta`),
 * then scale · B A is added. As in PEFT, a tied head is untied as soon as the head or the embeddings alone change; rows
 * of tied embeddings change in both.
 * @param file with the adapter's tensors
 * @param tensors of the adapter, by canonical names
 */
export function mergedWeights(
  { checkpoint, architecture }: Pick<VisionLanguageModel, "checkpoint" | "architecture">,
  settings: AdapterSettings,
  file: string,
  tensors: ReadonlyMap<string, HeaderTensor>,
): Merged {
  const { config, embeddings, untiedHead: head } = architecture;
  const left = new Map(tensors);
  const adapter = adapterOf(settings, file, tensors, left);
  const takesHead = [...tensors.keys()].some((name) => name.startsWith(`${head}.`));
  const aloneChanged = [".weight", ".lora_embedding_A"].some((end) => tensors.has(`${embeddings}${end}`));
  const untied = config.text.tieWordEmbeddings && (takesHead || (aloneChanged && !settings.ensure_weight_tying));
  const weights = new Map<string, WritableTensor>();
  const stored = (name: string): WritableTensor => {
    const { shape, dtype } = checkpoint.tensors.get(name)!;
    return { shape, dtype, data: () => checkpoint.read(name) };
  };
  for (const name of checkpoint.tensors.keys()) weights.set(name, merged(adapter, architecture, name, stored(name)));
  if (untied)
    weights.set(`${head}.weight`, merged(adapter, architecture, `${head}.weight`, stored(`${embeddings}.weight`)));
  const vocabulary = weights.get(`${embeddings}.weight`)!.shape[0]!;
  const words = weights.get(`${head}.weight`)?.shape[0] ?? vocabulary;
  if (words !== vocabulary)
    throw new CheckpointError(
      `${file}: expected as many tokens in the head as in the embeddings, got ${words} and ${vocabulary}`,
    );
  return {
    weights,
    changed: {
      ...(vocabulary !== config.text.vocabSize && { vocab_size: vocabulary }),
      ...(untied && { tie_word_embeddings: false }),
    },
    left: [...left].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`),
  };
}

/** @param left collects the tensors that nobody has taken yet */
function adapterOf(
  settings: AdapterSettings,
  file: string,
  tensors: ReadonlyMap<string, HeaderTensor>,
  left: Map<string, HeaderTensor>,
): Adapter {
  const take: Adapter["take"] = (name, sizes) => {
    const tensor = left.get(name);
    const fits = tensor?.shape.length === sizes.length && tensor.shape.every((n, i) => n === (sizes[i] ?? n));
    if (!tensor || !fits) return undefined;
    left.delete(name);
    return { shape: tensor.shape, read: () => readNumbers(file, name, tensor) };
  };
  return {
    settings,
    take,
    takeBoth([name, sizes], [otherName, otherSizes]) {
      const a = take(name, sizes);
      const b = a && take(otherName, otherSizes);
      if (a && !b) left.set(name, tensors.get(name)!);
      return a && b && { a, b };
    },
  };
}

/** One tensor of the model with all of the adapter's changes folded in. */
function merged(
  { settings, take, takeBoth }: Adapter,
  { embeddings, untiedHead }: Architecture,
  name: string,
  base: WritableTensor,
): WritableTensor {
  const module = name.replace(/\.weight$/, "");
  const grows = module === embeddings || module === untiedHead;
  const whole = take(name, grows ? [undefined, base.shape[1]] : base.shape);
  const shape = whole?.shape ?? base.shape;
  const [outputs, inputs] = shape as [number, number];
  const indices = rowsOf(settings, module, embeddings);
  const rows =
    indices?.every((index) => index >= 0 && index < outputs) &&
    take(`${module}.token_adapter.trainable_tokens_delta`, [indices.length, inputs]);
  const { a, b } = loraNames(module);
  const product = takeBoth([a, [settings.r, inputs]], [b, [outputs, settings.r]]);
  // An embedding is a linear layer of one-hot vectors, and PEFT stores its factors accordingly.
  const lookup = takeBoth(
    [`${module}.lora_embedding_A`, [settings.r, outputs]],
    [`${module}.lora_embedding_B`, [inputs, settings.r]],
  );
  const scale = loraScale(loraOf(settings));
  const data = async () => {
    const weight = whole ? await whole.read() : await numbersOf(base);
    if (rows) replaceRows(weight, await rows.read(), indices!, inputs);
    if (product) addProduct(weight, await product.a.read(), await product.b.read(), settings.r, scale);
    if (lookup) {
      const [first, second] = [
        transposed(await lookup.b.read(), settings.r),
        transposed(await lookup.a.read(), outputs),
      ];
      addProduct(weight, first, second, settings.r, scale);
    }
    return weight;
  };
  return { ...base, shape, data };
}

const loraOf = ({ r, lora_alpha, use_rslora }: AdapterSettings): LoraConfig => ({
  rank: r,
  alpha: lora_alpha,
  rsLora: use_rslora,
});

/** The rows of a module's matrix that are trained whole. */
function rowsOf(
  { trainable_token_indices: rows }: AdapterSettings,
  module: string,
  embeddings: string,
): readonly number[] | undefined {
  if (rows == null) return undefined;
  if (Array.isArray(rows)) return module === embeddings ? rows : undefined;
  const byModule = rows as Readonly<Record<string, readonly number[]>>;
  const name = module.split(".").at(-1)!;
  return Object.hasOwn(byModule, name) ? byModule[name] : undefined;
}

function replaceRows(w: Float32Array, rows: Float32Array, indices: readonly number[], inputs: number): void {
  for (const [i, index] of indices.entries()) w.set(rows.subarray(i * inputs, (i + 1) * inputs), index * inputs);
}

/** Xᵀ of a matrix with this many columns. */
function transposed(x: Float32Array, columns: number): Float32Array {
  const rows = x.length / columns;
  return Float32Array.from(x, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!);
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
