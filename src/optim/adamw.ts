import { ConfigError, ShapeError } from "../errors";
import { checkGradients, type GradientTransform } from "./transform";

export interface AdamWOptions {
  /** β₁, decay of the mean of gradients (0.9). */
  readonly beta1?: number;
  /** β₂, decay of the mean of squared gradients (0.999). */
  readonly beta2?: number;
  /** ε, keeps the division finite (1e-8). */
  readonly epsilon?: number;
  /** λ (0.01; the paper: 0.1). */
  readonly weightDecay?: number;
  /** Which parameters decay (all). Many recipes leave out biases and norms. */
  readonly decays?: (name: string) => boolean;
  /** Factor of the learning rate for a parameter (1 for all): 0 freezes it, 16 for `lora_B` is LoRA+. PyTorch's parameter groups. */
  readonly learningRateFactor?: (name: string) => number;
}

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`:
 *
 * m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²
 * θ ← (1 − ηλ)θ − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
 *
 * with η the learning rate of the update and t its number, from 1. Moves the parameters in place and leaves the gradients alone.
 * Its state holds `exp_avg/<name>` (m) and `exp_avg_sq/<name>` (v).
 *
 * @throws ConfigError when an option or the learning rate is out of range
 * Source: Loshchilov & Hutter, arXiv 1711.05101, Algorithm 2. Arithmetic is float64 between float32 arrays.
 */
export function adamw(options: AdamWOptions = {}): GradientTransform {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01, decays = () => true } = options;
  const { learningRateFactor = () => 1 } = options;
  for (const [name, beta] of Object.entries({ beta1, beta2 })) {
    if (!(beta >= 0 && beta < 1)) throw new ConfigError(`adamw: expected 0 ≤ ${name} < 1, got ${beta}`);
  }
  for (const [name, value] of Object.entries({ epsilon, weightDecay })) checkNotNegative(name, value);

  return {
    init(params) {
      const tensors = new Map<string, Float32Array>();
      for (const [name, param] of params) {
        tensors.set(`exp_avg/${name}`, new Float32Array(param.length));
        tensors.set(`exp_avg_sq/${name}`, new Float32Array(param.length));
      }
      return { step: 0, tensors };
    },

    update(gradients, state, params, { learningRate }) {
      checkNotNegative("learningRate", learningRate);
      checkGradients(gradients, params);
      const moments = (key: string, param: Float32Array) => momentsOf(state.tensors, key, param.length);
      const rows = [...params].map(([name, param]) => {
        const factor = learningRateFactor(name);
        checkNotNegative(`learningRateFactor("${name}")`, factor);
        return {
          ...{ param, rate: learningRate * factor, gradient: gradients.get(name)! },
          m: moments(`exp_avg/${name}`, param),
          v: moments(`exp_avg_sq/${name}`, param),
          decay: decays(name) ? weightDecay : 0,
        };
      });

      state.step += 1;
      const rootCorrection = Math.sqrt(1 - beta2 ** state.step);
      for (const { param, gradient, m, v, rate, decay } of rows) {
        const keep = 1 - rate * decay;
        const stepSize = rate / (1 - beta1 ** state.step);
        for (let i = 0; i < param.length; i++) {
          const g = gradient[i]!;
          const mean = m[i]! + (1 - beta1) * (g - m[i]!);
          const square = beta2 * v[i]! + (1 - beta2) * g * g;
          m[i] = mean;
          v[i] = square;
          param[i] = keep * param[i]! - (stepSize * mean) / (Math.sqrt(square) / rootCorrection + epsilon);
        }
      }
    },
  };
}

function momentsOf(tensors: ReadonlyMap<string, Float32Array>, key: string, length: number): Float32Array {
  const moments = tensors.get(key);
  if (moments?.length !== length) {
    throw new ShapeError(
      `adamw: expected ${length} numbers in state tensor "${key}", got ${moments?.length ?? "none"}`,
    );
  }
  return moments;
}

function checkNotNegative(name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) throw new ConfigError(`adamw: expected ${name} ≥ 0, got ${value}`);
}
