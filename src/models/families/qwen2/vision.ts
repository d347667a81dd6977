import * as z from "zod";
import { count, limits, orDefault } from "../../files/fields";
import type { DecoderConfig } from "../../parts/decoder";
import type { Demand } from "./config";

/** The fields that `vision_config` has in every family, with the defaults of the family's class in transformers. */
export const visionFields = <Activation extends string>(own: {
  readonly depth: number;
  readonly patchSize: number;
  readonly activation: Activation;
}) => ({
  depth: orDefault(count(limits.layers), own.depth),
  num_heads: orDefault(count(limits.heads), 16),
  patch_size: orDefault(count(limits.patch), own.patchSize),
  temporal_patch_size: orDefault(count(limits.patch), 2),
  spatial_merge_size: orDefault(count(limits.patch), 2),
  in_channels: orDefault(z.literal(3), 3),
  /** Qwen's own files have this key, and transformers copies it; its classes have `in_channels`. */
  in_chans: z.literal(3).nullish(),
  hidden_act: orDefault(z.literal(own.activation), own.activation),
  rope_parameters: z.object({ rope_type: z.literal("axial"), rope_theta: z.literal(10_000) }).nullish(),
});

type Stored = Readonly<
  Record<"depth" | "num_heads" | "patch_size" | "temporal_patch_size" | "spatial_merge_size" | "in_channels", number>
>;

/** Sizes that every vision tower has. */
type Shape = DecoderConfig["vision"] & { readonly depth: number; readonly heads: number };

/** These fields under the library's names. */
export const visionShape = (stored: Stored): Shape => ({
  depth: stored.depth,
  heads: stored.num_heads,
  patchSize: stored.patch_size,
  temporalPatchSize: stored.temporal_patch_size,
  spatialMergeSize: stored.spatial_merge_size,
  inChannels: stored.in_channels,
});

/** The same fields of a shape, as they are stored. */
export const storedVision = (vision: Shape): Stored => ({
  depth: vision.depth,
  num_heads: vision.heads,
  patch_size: vision.patchSize,
  temporal_patch_size: vision.temporalPatchSize,
  spatial_merge_size: vision.spatialMergeSize,
  in_channels: vision.inChannels,
});

/** Checks that heads divide the tower's width, and that its output is as wide as the language model. */
export function checkWidths<Name extends string>(
  vision: Readonly<Record<Name | "num_heads", number>>,
  { width, output }: { readonly width: Name; readonly output: Name },
  hiddenSize: number,
  demand: Demand,
): void {
  demand(
    vision[output] === hiddenSize,
    `vision_config.${output}: expected the language model's ${hiddenSize}, got ${vision[output]}`,
  );
  demand(
    (vision[width] / vision.num_heads) % 4 === 0,
    `vision_config: expected ${width} ${vision[width]} to be a multiple of 4 · num_heads, got num_heads ${vision.num_heads}`,
  );
}
