import * as z from "zod";
import { count, limits } from "../../files/fields";
import { type Field, type Fields, field, schemasOf, storedOf, type ValuesOf, valuesOf } from "./fields";

/** Notes `problem` unless `isSo` holds. */
export type Demand = (isSo: boolean, problem: string) => void;

/** The `vision_config` of a family, whose tower is as wide as its field `width`. */
export interface VisionClass<F extends Fields> {
  readonly fields: F & { readonly heads: Field<number> };
  readonly width: keyof F & string;
  /** The key of the width of its output. */
  readonly output: string;
  readonly activation: string;
  /** Checks the network's requirements beyond the fields' ranges. */
  check?(vision: ValuesOf<F>, demand: Demand): void;
}

/** The fields that `vision_config` has in every family. */
export const visionFields = (own: { readonly depth: number; readonly patchSize: number }) => ({
  depth: field("depth", count(limits.layers), own.depth),
  heads: field("num_heads", count(limits.heads), 16),
  patchSize: field("patch_size", count(limits.patch), own.patchSize),
  temporalPatchSize: field("temporal_patch_size", count(limits.patch), 2),
  spatialMergeSize: field("spatial_merge_size", count(limits.patch), 2),
  inChannels: field<number>("in_channels", z.literal(3), 3),
});

/** Schema of `vision_config`. */
export const visionSchema = <F extends Fields>({ fields, output, activation }: VisionClass<F>) =>
  z.object({
    ...schemasOf(fields),
    /** Qwen's own files have this key, and transformers copies it; its classes have `in_channels`. */
    in_chans: z.literal(3).nullish(),
    hidden_act: z.literal(activation).nullish(),
    rope_parameters: z.object({ rope_type: z.literal("axial"), rope_theta: z.literal(10_000) }).nullish(),
    ...schemasOf({ output: field(output, count(limits.width), 3584) }),
  });

/** The tower's shape, whose heads must divide its width, and whose output must be as wide as the language model. */
export function readVision<F extends Fields>(
  { fields, width, output, check }: VisionClass<F>,
  stored: Readonly<Record<string, unknown>>,
  hiddenSize: number,
  demand: Demand,
): ValuesOf<F> {
  const vision: ValuesOf<F> = valuesOf<F>(fields, stored);
  const { key } = fields[width]!;
  demand(
    stored[output] === hiddenSize,
    `vision_config.${output}: expected the language model's ${hiddenSize}, got ${stored[output]}`,
  );
  demand(
    (Number(stored[key]) / Number(stored.num_heads)) % 4 === 0,
    `vision_config: expected ${key} ${stored[key]} to be a multiple of 4 · num_heads, got num_heads ${stored.num_heads}`,
  );
  check?.(vision, demand);
  return vision;
}

/** `vision_config` of a tower's shape. */
export const visionJson = <F extends Fields>(
  { fields, output, activation }: VisionClass<F>,
  vision: ValuesOf<F>,
  hiddenSize: number,
) => ({ ...storedOf<F>(fields, vision), [output]: hiddenSize, hidden_act: activation });
