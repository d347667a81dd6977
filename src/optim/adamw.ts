import { ShapeError } from "../errors";
import { counted } from "../options/display";
import { callback, number, positive, readArgument, readOptions, specOf } from "../options/spec";
import { clippingFactor, globalNorm } from "./clip";
import { zerosLike } from "./shared-tensors";
import { type Loop, runInThreads } from "./threads";
import { checkGradients, type GradientTransform, type OptimizerState } from "./transform";

/** Options of `adamw`. */
export interface AdamWOptions {
  /** β₁, decay of the mean of gradients (0.9). */
  readonly beta1?: number;
  /** β₂, decay of the mean of squared gradients (0.999). */
  readonly beta2?: number;
  /** ε, keeps the division finite (1e-8). */
  readonly epsilon?: number;
  /** λ (0.01; the paper: 0.1). */
  readonly weightDecay?: number;
  /** Selects the parameters that decay (all). Many recipes leave out biases and norms. */
  readonly decays?: (name: string) => boolean;
  /** Factor of a parameter's learning rate (1 for all): 0 freezes it, 16 for `lora_B` is LoRA+. */
  readonly learningRateFactor?: (name: string) => number;
  /** Clips to this joint norm first, as `clipByGlobalNorm` does, but in the same pass over memory (no clipping). */
  readonly clipNorm?: number;
}

const decay = number("in [0, 1)", (value) => value >= 0 && value < 1);
const finite = number("a finite number of at least 0", (value) => value >= 0 && Number.isFinite(value));

export const adamwSpec = specOf<AdamWOptions>()(() => ({
  beta1: decay.default(0.9).describe("β₁, decay of the mean of gradients"),
  beta2: decay.default(0.999).describe("β₂, decay of the mean of squared gradients"),
  epsilon: finite.default(1e-8).describe("ε, keeps the division finite"),
  weightDecay: finite.default(0.01).describe("λ; the paper: 0.1"),
  decays: callback<(name: string) => boolean>()
    .default(() => alwaysTrue)
    .describe("Which parameters decay"),
  learningRateFactor: callback<(name: string) => number>()
    .default(() => always1)
    .describe("Factor of the learning rate for a parameter"),
  clipNorm: positive().optional().describe("Clips to this joint norm first"),
}));

function alwaysTrue(): boolean {
  return true;
}

function always1(): number {
  return 1;
}

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`:
 *
 * m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²
 * θ ← (1 − ηλ)θ − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
 *
 * with learning rate η and t the update's number, from 1. Moves the parameters in place and leaves the gradients alone.
 * Its state holds `exp_avg/<name>` (m) and `exp_avg_sq/<name>` (v).
 *
 * @throws ConfigError when an option or the learning rate is out of range; TrainingError from an update with `clipNorm`
 * when the gradient's norm is NaN or infinite, before any parameter has moved
 * Source: Loshchilov & Hutter, arXiv 1711.05101, Algorithm 2. Arithmetic is float64 between float32 arrays.
 * @example
 * const optimizer = adamw({ weightDecay: 0.1, clipNorm: 1 });
 * const state = optimizer.init(params);
 * optimizer.update(grads, state, params, { learningRate: 1e-5 });
 */
export function adamw(options: AdamWOptions = {}): GradientTransform {
  const settings = readOptions("adamw", options, adamwSpec);
  const { beta1, beta2, epsilon, weightDecay, decays, learningRateFactor, clipNorm } = settings;

  return {
    init(params) {
      const moments = ["exp_avg/", "exp_avg_sq/"].flatMap((moment) => [...zerosLike(params, moment)]);
      return { step: 0, tensors: new Map(moments) };
    },

    problemWith: stateProblem,

    update(gradients, state, params, { learningRate, gradNorm }) {
      readArgument("adamw", "learningRate", learningRate, finite);
      checkGradients(gradients, params);
      const step = state.step + 1;
      const gradientFactor = clipNorm === undefined ? 1 : clippingFactor(clipNorm, gradNorm ?? globalNorm(gradients));
      const runs = [...params].map(([name, param]) => {
        const factor = learningRateFactor(name);
        readArgument("adamw", `learningRateFactor("${name}")`, factor, finite);
        const rate = learningRate * factor;
        const m = momentsOf(state.tensors, `exp_avg/${name}`, param.length);
        const v = momentsOf(state.tensors, `exp_avg_sq/${name}`, param.length);
        return {
          arrays: [param, gradients.get(name)!, m, v] as const,
          scalars: {
            beta1,
            beta2,
            epsilon,
            smallest,
            gradientFactor,
            keep: 1 - rate * (decays(name) ? weightDecay : 0),
            stepSize: rate / (1 - beta1 ** step),
            rootScale: 1 / Math.sqrt(1 - beta2 ** step),
          },
        };
      });
      // Nothing has moved yet, and from here on nothing throws.
      runInThreads(move, runs);
      state.step = step;
    },
  };
}

function stateProblem({ step, tensors }: OptimizerState): string | undefined {
  for (const [name, data] of tensors) {
    if (!/^exp_avg(_sq)?\//.test(name)) continue;
    const bad = data.find((x) => (step === 0 ? x !== 0 : x < 0 && name.startsWith("exp_avg_sq/")));
    const wanted = step === 0 ? "zeros, since no update was made yet," : "means of squares, which are not negative,";
    if (bad !== undefined) return `expected ${wanted} in ${name}, got ${bad}`;
  }
  return undefined;
}

/** The least normal float32. Smaller numbers become 0: they are slow, and only some threads would drop them. */
const smallest = 2 ** -126;

const move: Loop<
  readonly [param: Float32Array, gradient: Float32Array, m: Float32Array, v: Float32Array],
  Record<"beta1" | "beta2" | "epsilon" | "smallest" | "gradientFactor" | "keep" | "stepSize" | "rootScale", number>
> = ([param, gradient, m, v], { beta1, beta2, epsilon, smallest, gradientFactor, keep, stepSize, rootScale }) => {
  const fresh1 = 1 - beta1;
  const fresh2 = 1 - beta2;
  for (let i = 0; i < param.length; i++) {
    const g = Math.fround(gradient[i]! * gradientFactor);
    const mean = m[i]! + fresh1 * (g - m[i]!);
    const square = beta2 * v[i]! + fresh2 * g * g;
    const moved = keep * param[i]! - (stepSize * mean) / (Math.sqrt(square) * rootScale + epsilon);
    m[i] = Math.abs(mean) < smallest ? 0 : mean;
    v[i] = square < smallest ? 0 : square;
    param[i] = Math.abs(moved) < smallest ? 0 : moved;
  }
};

function momentsOf(tensors: ReadonlyMap<string, Float32Array>, key: string, length: number): Float32Array {
  const moments = tensors.get(key);
  if (moments?.length !== length)
    throw new ShapeError(
      `adamw: expected ${counted(length, "number")} in state tensor "${key}", got ${moments?.length ?? "none"}`,
    );
  return moments;
}
