import { DataError } from "../../errors";
import { type LoraConfig, loraNames, targetLayers } from "./adapter";
import type { Qwen2VlConfig } from "./config";
import type { Policy } from "./policy";
import type { StoredDtype } from "./safetensors";
import { expectedTensors } from "./weights";

/** A policy of which there are only shapes, enough to build graphs and foresee what they take. */
export function imaginedPolicy(
  config: Qwen2VlConfig,
  trained: "nothing" | "everything" | LoraConfig,
  dtype: StoredDtype,
): Policy {
  const stored = expectedTensors(config);
  const checkpoint: Policy["checkpoint"] = {
    ...{ dir: "imagined", folder: "imagined" },
    tensors: new Map(
      [...stored].map(([name, shape]) => [name, { dtype, shape, file: "imagined", offset: 0, bytes: 0 }]),
    ),
    read: async (name) => {
      throw new DataError(`${name}: an imagined checkpoint has no numbers`);
    },
  };
  const shapes = trained === "everything" ? stored : trained === "nothing" ? [] : loraShapes(config, trained);
  const data = new Float32Array(0);
  const trainable = new Map([...shapes].map(([name, shape]) => [name, { shape, data }]));
  return { config, checkpoint, trainable, ...(typeof trained === "object" && { lora: trained }) };
}

const loraShapes = (config: Qwen2VlConfig, lora: LoraConfig): (readonly [string, readonly number[]])[] =>
  targetLayers(config, lora).flatMap(({ name, inputs, outputs }) => {
    const { a, b } = loraNames(name);
    return [
      [a, [lora.rank, inputs]],
      [b, [outputs, lora.rank]],
    ] as const;
  });
