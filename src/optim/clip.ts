import { TrainingError } from "../errors";
import { checkArguments, mapKind } from "../options/arguments";
import { positive, readArgument } from "../options/spec";
import { type Loop, runInThreads } from "./threads";
import type { GradientTransform, Tensors } from "./transform";

/** Added to the norm, as PyTorch does, so that a zero gradient does not divide by 0. */
const NORM_EPSILON = 1e-6;

/**
 * Scales all gradients together so that their joint norm is at most `maxNorm`:
 *
 * g ← g · min(1, maxNorm / (‖g‖ + 1e-6))
 *
 * @throws ConfigError for a bound that is not above 0; TrainingError when the norm is NaN or infinite, before any
 * parameter has moved
 * Source: `torch.nn.utils.clip_grad_norm_`. Departure: by default PyTorch lets a NaN through, which ruins the weights.
 * @example
 * const optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 }));
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransform {
  readArgument("clipByGlobalNorm", "maxNorm", maxNorm, positive());
  return {
    init: () => ({ step: 0, tensors: new Map() }),
    update(gradients, state, _, { gradNorm = globalNorm(gradients) }) {
      multiply(gradients, clippingFactor(maxNorm, gradNorm));
      state.step += 1;
    },
  };
}

/**
 * Clips gradients in place, as `clipByGlobalNorm` does, and returns the norm from before, for logging.
 * @throws ConfigError and TrainingError as `clipByGlobalNorm`; the gradients then stay unchanged
 * @example
 * const gradNorm = clipGradNorm(grads, 1);
 */
export function clipGradNorm(gradients: Tensors, maxNorm: number): number {
  checkArguments("clipGradNorm", { gradients }, { gradients: mapKind });
  readArgument("clipGradNorm", "maxNorm", maxNorm, positive());
  const norm = globalNorm(gradients);
  multiply(gradients, clippingFactor(maxNorm, norm));
  return norm;
}

/**
 * The factor that clips gradients of this norm to `maxNorm`.
 * @throws TrainingError when the norm is NaN or infinite
 */
export function clippingFactor(maxNorm: number, norm: number): number {
  if (!Number.isFinite(norm)) throw new TrainingError(`clipGradNorm: expected a finite gradient, got norm ${norm}`);
  return Math.min(1, maxNorm / (norm + NORM_EPSILON));
}

function multiply(gradients: Tensors, factor: number): void {
  if (factor !== 1)
    runInThreads(
      scale,
      [...gradients.values()].map((gradient) => ({ arrays: [gradient] as const, scalars: { factor } })),
    );
}

const scale: Loop<readonly [Float32Array], { readonly factor: number }> = ([values], { factor }) => {
  for (let i = 0; i < values.length; i++) values[i]! *= factor;
};

/**
 * ‖g‖ = √Σ g² over all tensors together.
 * @example
 * const gradNorm = globalNorm(grads);
 */
export function globalNorm(gradients: Tensors): number {
  checkArguments("globalNorm", { gradients }, { gradients: mapKind });
  let sum = 0;
  for (const gradient of gradients.values()) sum += sumOfSquares(gradient);
  return Math.sqrt(sum);
}

/** Σ x², as four independent sums: in a single one, each addition waits for the one before. */
export function sumOfSquares(values: Float32Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! ** 2;
    b += values[i + 1]! ** 2;
    c += values[i + 2]! ** 2;
    d += values[i + 3]! ** 2;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! ** 2;
  return a + b + c + d;
}
