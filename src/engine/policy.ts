import { createHash } from "node:crypto";
import { DataError } from "../errors";
import { roundings } from "../models/checkpoint/quantize";
import type { Checkpoint, RoundedLayer } from "../models/checkpoint/weights";
import type { Architecture } from "../models/parts/architecture";
import type { Weights } from "../models/parts/layers";
import { add, cast, type Graph, gather, gemm } from "../onnx/graph/graph";
import type { Value } from "../onnx/graph/value";
import type { Tensor } from "../onnx/runtime/session";
import { type LoraConfig, loraNames, loraScale, type TrainableTensor } from "./adapter";

/** A model's current state: frozen tensors in the checkpoint's files, trainable ones in memory. */
export interface Policy {
  readonly architecture: Architecture;
  readonly checkpoint: Checkpoint;
  /** Fed to every graph, so that sampling and training always see the same numbers. */
  readonly trainable: ReadonlyMap<string, TrainableTensor>;
  readonly lora?: LoraConfig;
  /**
   * Multiplies with frozen half-precision matrices as they are stored, without float32 copies. Logits stay float32.
   */
  readonly halfProducts?: boolean;
}

export const trainsVision = ({ architecture, trainable }: Policy) =>
  [...trainable.keys()].some((name) => name.startsWith(architecture.visionPrefix));

/** The policy's weights as values of `g`: graph inputs for trainable tensors, file-backed constants for the rest. */
export function bindWeights(policy: Policy, g: Graph): Weights & { readonly inputs: ReadonlyMap<string, Value> } {
  const inputs = new Map<string, Value>();

  const trainable = (name: string, { shape }: TrainableTensor) => {
    const value = inputs.get(name) ?? g.input(name, "float32", shape);
    inputs.set(name, value);
    return value;
  };
  /** The weight as it is stored. */
  const weight = (name: string) => {
    const own = policy.trainable.get(name);
    if (own) return trainable(name, own);
    const stored = policy.checkpoint.tensors.get(name);
    if (!stored) throw new DataError(`${policy.checkpoint.dir}: tensor ${name} is missing`);
    return g.external(name, storedDtype(stored.dtype), stored.shape, stored);
  };

  // Each use casts anew, because a shared float32 copy would live as long as the run.
  const tensor = (name: string) => cast(g, weight(name), "float32");

  const halfProduct = (graph: Graph, module: string, x: Value): Value | undefined => {
    if (!policy.halfProducts || module === policy.architecture.head) return undefined;
    const matrix = weight(`${module}.weight`);
    if (matrix.dtype === "float32") return undefined;
    return cast(graph, gemm(graph, cast(graph, x, matrix.dtype), matrix), "float32");
  };

  return {
    inputs,
    tensor,
    product(graph, module, x, _, { bias, residual } = {}) {
      // The product takes in one of the sums if it can, which saves an operator and a pass over memory.
      const c = bias ?? residual;
      const rounded = policy.checkpoint.rounded?.get(module);
      const apart = rounded ? productWith(graph, g, module, x, rounded) : halfProduct(graph, module, x);
      const y = apart ? (c ? add(graph, apart, c) : apart) : gemm(graph, x, tensor(`${module}.weight`), c);
      return bias && residual ? add(graph, residual, y) : y;
    },
    rows: (graph, name, _, indices) => cast(graph, gather(graph, weight(name), indices), "float32"),
    adapter(module) {
      const names = loraNames(module);
      const [a, b] = [policy.trainable.get(names.a), policy.trainable.get(names.b)];
      if (!policy.lora || !a || !b) return undefined;
      return { a: trainable(names.a, a), b: trainable(names.b, b), scale: loraScale(policy.lora) };
    },
  };
}

/** x·Ŵᵀ with a quantized matrix, as nodes of `graph` over constants of `g`. */
function productWith(graph: Graph, g: Graph, module: string, x: Value, rounded: RoundedLayer): Value {
  const { precision, numbers, scale } = rounded;
  const { product } = roundings[precision];
  const constant = (name: string, type: "uint8" | "float32", stored: typeof numbers) =>
    g.external(`${module}.${name}`, type, stored.shape, stored);
  return product(graph, x, constant("numbers", "uint8", numbers), constant("scale", "float32", scale));
}

export function digestOf({ trainable }: Policy): string {
  const hash = createHash("sha256");
  for (const [name, { data }] of trainable) hash.update(name).update(data);
  return hash.digest("hex");
}

export const weightFeeds = ({ trainable }: Policy): Record<string, Tensor> => Object.fromEntries(trainable);

/** The initial weights of the trainable tensors, as feeds. They are read anew: rarely needed, and possibly large. */
export async function referenceFeeds({ trainable, checkpoint, lora }: Policy): Promise<Record<string, Tensor>> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of trainable) {
    // An adapter with a factor of zeros adds nothing.
    feeds[name] = { shape, data: lora ? new Float32Array(data.length) : await checkpoint.read(name) };
  }
  return feeds;
}

/**
 * Moves the trainable weights to a share of the way from the initial ones, θ₀ + share · (θ − θ₀). An adapter adds B A:
 * its B gets the share.
 */
export async function interpolateWeights({ trainable, checkpoint, lora }: Policy, share: number): Promise<void> {
  for (const [name, { data }] of trainable) {
    if (lora && !name.endsWith(loraNames("").b)) continue;
    const initial = lora ? undefined : await checkpoint.read(name);
    for (const [i, value] of data.entries()) {
      const from = initial?.[i] ?? 0;
      data[i] = from + share * (value - from);
    }
  }
}

const storedDtype = (dtype: "F32" | "F16" | "BF16") =>
  (({ F32: "float32", F16: "float16", BF16: "bfloat16" }) as const)[dtype];
