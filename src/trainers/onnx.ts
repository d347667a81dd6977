import { roundedFor } from "../engine/checkpoint/quantized";
import { checkMemory, type SideBySide } from "../engine/memory/estimate";
import type { Policy } from "../engine/policy";
import { checkPrecision } from "../engine/precision";
import { createSampler } from "../engine/sampling/sampler";
import { createOptimization } from "../engine/training/optimization";
import { createTrainingPass } from "../engine/training/pass";
import { trainingPrimitives } from "../engine/training/primitives";
import { trainablePolicy } from "../engine/training/trainable";
import { openModel } from "../models/open-model";
import { placeOn } from "../onnx/runtime/device";
import { endThreads } from "../optim/threads";
import type { Trainer } from "../trainer";
import type { Workload } from "../types";
import { forwardBackwardOver } from "./forward-backward";
import { type OnnxTrainerOptions, trainerSettings } from "./onnx-options";

export type { ReducedPrecision } from "../models/checkpoint/quantize";
export type { OnnxTrainerOptions } from "./onnx-options";

/**
 * Trains a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint in this process.
 * @throws ConfigError or DataError for an unusable checkpoint, naming the file and what was expected; BackendError for
 * a device that does not work, or a hub that cannot be reached
 * @example
 * const trainer = await onnxTrainer({ model: "Qwen/Qwen2-VL-2B-Instruct", lora: { rank: 16 } });
 */
export async function onnxTrainer(options: OnnxTrainerOptions = {}): Promise<Trainer> {
  const settings = trainerSettings(options);
  const { lora, optimizer, rowsAtOnce, sampledAtOnce, gradientCheckpointing, precision, samplerPrecision } = settings;
  const placement = await placeOn(settings.device, settings.threads);
  checkPrecision("precision", precision, placement);
  checkPrecision("samplerPrecision", samplerPrecision, placement);
  const model = await openModel(settings.model, settings.onDownload, settings.maxImagePixels);
  const policy = await trainablePolicy(model, { lora, seed: settings.seed, precision });
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
    async interpolate(share) {
      await optimization.interpolate(share);
      sampler.weightsChanged();
    },
    save: optimization.save,
    async load(dir) {
      await optimization.load(dir);
      sampler.weightsChanged();
    },
    // A GPU's memory is unknown here.
    ...(placement.provider === "cpu" && {
      checkMemory: (work: Workload) => checkMemory(model, policy, work, sideBySide, remedies(sideBySide, policy)),
    }),
    async dispose() {
      await sampler.dispose();
      await pass.dispose();
      endThreads();
    },
  };
}

/** Options that a user can change so that training takes less memory. */
function remedies({ rowsAtOnce = 1, sampledAtOnce, gradientCheckpointing }: SideBySide, { lora }: Policy): string[] {
  return [
    ...(rowsAtOnce > 1 ? [`rowsAtOnce below ${rowsAtOnce}`] : []),
    ...(sampledAtOnce > 1 ? [`sampledAtOnce below ${sampledAtOnce}`] : []),
    ...(gradientCheckpointing === false ? ["gradientCheckpointing"] : []),
    ...(lora ? [] : ["lora"]),
    "shorter completions",
    "smaller images",
  ];
}
