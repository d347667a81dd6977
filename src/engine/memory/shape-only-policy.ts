import { DataError } from "../../errors";
import { type ReducedPrecision, roundings } from "../../models/checkpoint/quantize";
import { expectedTensors } from "../../models/checkpoint/recorded";
import type { StoredDtype } from "../../models/files/safetensors";
import type { Architecture } from "../../models/parts/architecture";
import { type LoraConfig, loraNames, targetLayers } from "../adapter";
import { roundedModules } from "../checkpoint/quantized";
import type { Policy } from "../policy";

/** A policy with shapes but no numbers, enough to build graphs and estimate their memory. */
export function imaginedPolicy(
  architecture: Architecture,
  trained: "nothing" | "everything" | LoraConfig,
  dtype: StoredDtype,
): Policy {
  const stored = expectedTensors(architecture);
  const checkpoint: Policy["checkpoint"] = {
    dir: "imagined",
    folder: "imagined",
    tensors: new Map(
      [...stored].map(([name, shape]) => [name, { dtype, shape, file: "imagined", offset: 0, bytes: 0 }]),
    ),
    read: async (name) => {
      throw new DataError(`${name}: an imagined checkpoint has no numbers`);
    },
  };
  const shapes = trained === "everything" ? stored : trained === "nothing" ? [] : loraShapes(architecture, trained);
  const data = new Float32Array(0);
  const trainable = new Map([...shapes].map(([name, shape]) => [name, { shape, data }]));
  return { architecture, checkpoint, trainable, ...(typeof trained === "object" && { lora: trained }) };
}

/** The same with quantized matrices in the language model, as a sampler of that precision has them. */
export function imaginedRounding({ architecture, checkpoint, ...policy }: Policy, precision: ReducedPrecision): Policy {
  const { numbers, scales } = roundings[precision];
  const at = { file: "imagined", offset: 0 };
  const rounded = roundedModules(architecture).map((module) => {
    const [outputs, inputs] = checkpoint.tensors.get(`${module}.weight`)!.shape as [number, number];
    const [shape, count] = [numbers(outputs, inputs), scales(outputs, inputs)];
    const bytes = shape.reduce((a, b) => a * b, 1);
    return [
      module,
      {
        precision,
        numbers: { dtype: "U8", shape, bytes, ...at },
        scale: { dtype: "F32", shape: [count], bytes: 4 * count, ...at },
      },
    ] as const;
  });
  const tensors = new Map([...checkpoint.tensors].filter(([name]) => !name.startsWith(architecture.visionPrefix)));
  return {
    ...policy,
    architecture,
    checkpoint: { ...checkpoint, folder: "rounded", tensors, rounded: new Map(rounded) },
  };
}

const loraShapes = (architecture: Architecture, lora: LoraConfig): (readonly [string, readonly number[]])[] =>
  targetLayers(architecture, lora).flatMap(({ name, inputs, outputs }) => {
    const { a, b } = loraNames(name);
    return [
      [a, [lora.rank, inputs]],
      [b, [outputs, lora.rank]],
    ] as const;
  });
