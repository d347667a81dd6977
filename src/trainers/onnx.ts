import { type LoraConfig, loraOptions } from "../engine/adapter";
import { roundedFor } from "../engine/checkpoint/quantized";
import { checkMemory, type SideBySide } from "../engine/memory/estimate";
import type { Policy } from "../engine/policy";
import { checkPrecision } from "../engine/precision";
import { createSampler } from "../engine/sampling/sampler";
import { createOptimization } from "../engine/training/optimization";
import { createTrainingPass } from "../engine/training/pass";
import { trainingPrimitives } from "../engine/training/primitives";
import { trainablePolicy } from "../engine/training/trainable";
import { ConfigError } from "../errors";
import type { Precision } from "../models/checkpoint/quantize";
import type { OnDownload } from "../models/hub/progress";
import { defaultModel, openModel } from "../models/open-model";
import { type Device, placeOn } from "../onnx/runtime/device";
import { adamw, type GradientTransform } from "../optim";
import { checkPositiveIntegers } from "../options/limits";
import { checkBooleans, checkMethods, checkOptions, checkSeed, type Names } from "../options/options";
import type { Trainer } from "../trainer";
import type { Workload } from "../types";
import { forwardBackwardOver } from "./forward-backward";

export interface OnnxTrainerOptions {
  /** A checkpoint: a Hugging Face directory, or a hub id, "owner/name" or "owner/name@revision" (`defaultModel`). */
  readonly model?: string;
  /** Train an adapter instead of every weight. */
  readonly lora?: LoraConfig;
  /** Chained onto the gradient before each step: clip to norm 1, then AdamW (β 0.9, 0.999; weight decay 0.1) by default. */
  readonly optimizer?: GradientTransform;
  /** Sequences in one backward pass (16): more is faster until memory is short. */
  readonly rowsAtOnce?: number;
  /**
   * Gradient checkpointing: a layer's insides are computed again on the way back instead of kept, a third more work for a fraction of the
   * memory. By default where keeping all of it would take more than half of the machine's memory, or the GPU's.
   */
  readonly gradientCheckpointing?: boolean;
  /** Completions sampled side by side (64). */
  readonly sampledAtOnce?: number;
  /**
   * Of products with frozen matrices, in training and sampling ("float32"). "half" is that of a checkpoint in bfloat16 or float16: half the memory. Needs
   * `lora`, and a GPU.
   */
  readonly precision?: "float32" | "half";
  /**
   * Of the frozen matrices that the sampler multiplies with ("float32": as they are): fewer bits are faster and take less memory, and completions
   * come from another distribution than the one that is trained. How far off it is, each step's metrics say. Needs `lora`, and the CPU.
   */
  readonly samplerPrecision?: Exclude<Precision, "half">;
  /** Of LoRA's initial matrices (0). */
  readonly seed?: number;
  /** Width times height of the largest image that is decoded (2^27, 134 million); a larger one is an error before it takes memory. */
  readonly maxImagePixels?: number;
  /** Told of every piece of a download (a display on stderr). */
  readonly onDownload?: OnDownload;
  /** What to run on ("auto": CUDA where it works, else the CPU, with a warning that says why). */
  readonly device?: Device;
  /** Threads of one operator; all cores by default. */
  readonly threads?: number;
}

const names: Names<OnnxTrainerOptions> = {
  model: true,
  lora: loraOptions,
  optimizer: true,
  rowsAtOnce: true,
  gradientCheckpointing: true,
  sampledAtOnce: true,
  precision: true,
  samplerPrecision: true,
  seed: true,
  maxImagePixels: true,
  onDownload: true,
  device: true,
  threads: true,
};

/**
 * Trains a Qwen2-VL checkpoint in this process.
 * @throws ConfigError or DataError for a checkpoint that cannot be used, naming the file and what was expected; BackendError for a device that
 * does not work, or a hub that cannot be reached
 */
export async function onnxTrainer(options: OnnxTrainerOptions = {}): Promise<Trainer> {
  checkOptions("onnxTrainer", options, names);
  const { model: name = defaultModel, rowsAtOnce = 16, sampledAtOnce = 64, device = "auto", threads } = options;
  const { gradientCheckpointing, precision = "float32", samplerPrecision = "float32", seed, maxImagePixels } = options;
  const { optimizer = adamw({ weightDecay: 0.1, clipNorm: 1 }) } = options;
  for (const [option, value] of Object.entries({ precision, samplerPrecision }))
    if (value !== "float32" && !options.lora)
      throw new ConfigError(
        `onnxTrainer: ${option} "${value}" is for frozen weights, and without lora every weight is trained`,
      );
  checkPositiveIntegers("onnxTrainer", { rowsAtOnce, sampledAtOnce, maxImagePixels, threads });
  checkBooleans("onnxTrainer", { gradientCheckpointing });
  checkSeed("onnxTrainer", seed);
  checkMethods("optimizer to be a gradient transform, such as adamw()", optimizer, ["init", "update"]);
  const placement = await placeOn(device, threads);
  checkPrecision("precision", precision, ["float32", "half"], placement);
  checkPrecision("samplerPrecision", samplerPrecision, ["float32", "int8", "int4"], placement);
  const model = await openModel(name, options.onDownload, maxImagePixels);
  const policy = await trainablePolicy(model, { lora: options.lora, seed: seed ?? 0, precision });
  const rounded = await roundedFor(model, samplerPrecision);
  const sampler = createSampler(model, policy, { rowsAtOnce: sampledAtOnce, rounded, ...placement });
  const { features } = sampler;
  const pass = createTrainingPass(model, policy, { ...placement, rowsAtOnce, features, gradientCheckpointing });
  const optimization = createOptimization(model, policy, optimizer);
  const primitives = trainingPrimitives(model, policy, pass, optimization.gradient);
  const sampled = rounded && { sampled: { ...policy, checkpoint: rounded } };
  const sideBySide: SideBySide = { ...sampled, rowsAtOnce, sampledAtOnce, gradientCheckpointing };
  return {
    sampler: () => sampler,
    samplerDiffers: rounded !== undefined,
    encode: (text) => [...model.tokenizer.encode(text), model.config.tokens.eos[0]!],
    ...primitives,
    forwardBackward: forwardBackwardOver(primitives, optimization.gradient.forget),
    async optimStep({ learningRate }) {
      const gradNorm = optimization.step(learningRate);
      sampler.weightsChanged();
      return { gradNorm };
    },
    save: optimization.save,
    async load(dir) {
      await optimization.load(dir);
      sampler.weightsChanged();
    },
    // A GPU's memory is not known here.
    ...(placement.provider === "cpu" && {
      checkMemory: (work: Workload) => checkMemory(model, policy, work, sideBySide, remedies(sideBySide, policy)),
    }),
    async dispose() {
      await sampler.dispose();
      await pass.dispose();
    },
  };
}

/** What a user can change so that training takes less memory. */
function remedies({ rowsAtOnce = 1, sampledAtOnce, gradientCheckpointing }: SideBySide, { lora }: Policy): string[] {
  return [
    ...(rowsAtOnce > 1 ? [`rowsAtOnce below ${rowsAtOnce}`] : []),
    ...(sampledAtOnce > 1 ? [`sampledAtOnce below ${sampledAtOnce}`] : []),
    ...(gradientCheckpointing === false ? ["gradientCheckpointing"] : []),
    ...(lora ? [] : ["lora"]),
    "shorter completions",
    "smaller pictures",
  ];
}
