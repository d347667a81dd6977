import { type TrainedModelOptions, trainedModelSpec } from "../engine/adapter";
import { ConfigError } from "../errors";
import type { Precision } from "../models/checkpoint/quantize";
import { type Device, devices } from "../onnx/runtime/device";
import { adamw, type GradientTransform } from "../optim";
import { choice, count, flag, having, readOptions, type Settings, specOf } from "../options/spec";

/** Options of `onnxTrainer`. */
export interface OnnxTrainerOptions extends TrainedModelOptions {
  /** The optimizer (clip to norm 1, then AdamW with β 0.9, 0.999 and weight decay 0.1). */
  readonly optimizer?: GradientTransform;
  /** Sequences in one backward pass (16): more is faster until memory is short. */
  readonly rowsAtOnce?: number;
  /**
   * Recomputes a layer's insides on the way back instead of keeping them: a third more work for a fraction of the
   * memory (used if keeping them would take more than half of the machine's memory, or the GPU's).
   */
  readonly gradientCheckpointing?: boolean;
  /** Completions sampled side by side (64). */
  readonly sampledAtOnce?: number;
  /**
   * Precision of products with frozen matrices, in training and sampling ("float32"). "half" halves their memory; it
   * needs `lora`, a GPU, and a checkpoint in bfloat16 or float16.
   */
  readonly precision?: "float32" | "half";
  /**
   * Precision of the sampler's frozen matrices ("float32": as they are). Fewer bits are faster and take less memory,
   * but completions then come from another distribution than the trained one; each step's metrics say how far off it
   * is. Needs `lora`, and the CPU.
   */
  readonly samplerPrecision?: Exclude<Precision, "half">;
  /** The device to run on ("auto": CUDA if it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator (all cores). */
  readonly threads?: number;
}

export const onnxTrainerSpec = specOf<OnnxTrainerOptions>()(() => ({
  ...trainedModelSpec(),
  optimizer: having<GradientTransform>("a gradient transform, such as adamw()", "init", "update")
    .default(() => adamw({ weightDecay: 0.1, clipNorm: 1 }))
    .describe("Chained onto the gradient before each step"),
  rowsAtOnce: count().default(16).describe("Sequences in one backward pass"),
  gradientCheckpointing: flag()
    .optional()
    .describe("Compute a layer's insides again on the way back; without it, where memory would be short"),
  sampledAtOnce: count().default(64).describe("Completions sampled side by side"),
  precision: choice(["float32", "half"]).default("float32").describe("Precision of products with frozen matrices"),
  samplerPrecision: choice(["float32", "int8", "int4"])
    .default("float32")
    .describe("Precision of the frozen matrices that the sampler multiplies with"),
  device: choice(devices).default("auto").describe("The device to run on: CUDA where it works, else the CPU"),
  threads: count().optional().describe("Threads of one operator; all cores without it"),
}));

/** Options of `onnxTrainer` as read: with their defaults. */
export type TrainerSettings = Settings<OnnxTrainerOptions, typeof onnxTrainerSpec>;

/** @throws ConfigError for an option out of range, or a precision of frozen weights when all weights are trained */
export function trainerSettings(options: OnnxTrainerOptions): TrainerSettings {
  const settings = readOptions("onnxTrainer", options, onnxTrainerSpec);
  for (const option of ["precision", "samplerPrecision"] as const)
    if (settings[option] !== "float32" && !settings.lora)
      throw new ConfigError(
        `onnxTrainer: ${option} "${settings[option]}" is for frozen weights, and without lora every weight is trained`,
      );
  return settings;
}
