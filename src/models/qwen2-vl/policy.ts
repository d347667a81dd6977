import { DataError } from "../../errors";
import { cast, type Graph, gather } from "../../onnx/graph";
import type { SessionOptions, Tensor } from "../../onnx/session";
import type { Value } from "../../onnx/value";
import { type LoraConfig, loraNames, loraScale, type TrainableTensor } from "./adapter";
import type { Qwen2VlConfig } from "./config";
import type { Weights } from "./network";
import type { Checkpoint } from "./weights";

/** A model as it stands now: frozen tensors in the checkpoint's files, trainable ones in memory. */
export interface Policy {
  readonly config: Qwen2VlConfig;
  readonly checkpoint: Checkpoint;
  /** Fed to every graph, so that sampling and training always see the same numbers. */
  readonly trainable: ReadonlyMap<string, TrainableTensor>;
  readonly lora?: LoraConfig;
}

export const trainsVision = ({ trainable }: Policy) => [...trainable.keys()].some((name) => name.startsWith("visual."));

/** Frozen weights beyond this, in bytes of float32, are not copied into every compiled graph. */
const mostCopied = 2 ** 30;

/** How graphs of this policy find their frozen weights. */
export function weightStorage({
  checkpoint,
  trainable,
}: Policy): Pick<SessionOptions, "folder" | "weightsStayInFiles"> {
  let bytes = 0;
  for (const [name, { shape }] of checkpoint.tensors)
    if (!trainable.has(name)) bytes += 4 * shape.reduce((a, b) => a * b, 1);
  return { folder: checkpoint.folder, weightsStayInFiles: bytes > mostCopied };
}

/** The policy's weights as values of `g`: graph inputs for trainable tensors, file-backed constants for the rest. */
export function bindWeights(policy: Policy, g: Graph): Weights & { readonly inputs: ReadonlyMap<string, Value> } {
  const inputs = new Map<string, Value>();

  const trainable = (name: string, { shape }: TrainableTensor) => {
    const value = inputs.get(name) ?? g.input(name, "float32", shape);
    inputs.set(name, value);
    return value;
  };
  /** As it is stored. */
  const weight = (name: string) => {
    const own = policy.trainable.get(name);
    if (own) return trainable(name, own);
    const stored = policy.checkpoint.tensors.get(name);
    if (!stored) throw new DataError(`${policy.checkpoint.dir}: tensor ${name} is missing`);
    return g.external(name, storedDtype(stored.dtype), stored.shape, stored);
  };

  return {
    inputs,
    // Cast where it is used: one float32 copy for all uses would live as long as the run.
    tensor: (name) => cast(g, weight(name), "float32"),
    rows: (graph, name, indices) => cast(graph, gather(graph, weight(name), indices), "float32"),
    adapter(module) {
      const names = loraNames(module);
      const [a, b] = [policy.trainable.get(names.a), policy.trainable.get(names.b)];
      if (!policy.lora || !a || !b) return undefined;
      return { a: trainable(names.a, a), b: trainable(names.b, b), scale: loraScale(policy.lora) };
    },
  };
}

/** The trainable tensors as feeds. */
export const weightFeeds = ({ trainable }: Policy): Record<string, Tensor> => Object.fromEntries(trainable);

/** The weights that the trainable tensors had in the beginning, as feeds: read anew, because they are rarely needed and may be large. */
export async function referenceFeeds({ trainable, checkpoint, lora }: Policy): Promise<Record<string, Tensor>> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of trainable) {
    // An adapter adds nothing where one of its factors is zero.
    feeds[name] = { shape, data: lora ? new Float32Array(data.length) : await checkpoint.read(name) };
  }
  return feeds;
}

const storedDtype = (dtype: "F32" | "F16" | "BF16") =>
  (({ F32: "float32", F16: "float16", BF16: "bfloat16" }) as const)[dtype];
