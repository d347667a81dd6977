import { TrainingError } from "../../errors";
import type { Tensors } from "../../optim";
import { sumOfSquares } from "../../optim/clip";
import { zerosLike } from "../../optim/shared-tensors";

/**
 * The input of an optimizer step: gradients that passes add up until the step. A tensor that received nothing since the
 * last step has a gradient of zero, whatever its array held before.
 */
export interface GradientSum {
  /** The sum for each tensor, complete only after `finish`. */
  readonly gradients: Tensors;
  /** Adds the gradient that a pass found for one tensor. */
  add(name: string, part: Float32Array): void;
  /** Reports that a pass succeeded, even if it reached no tensor. */
  passed(): void;
  /**
   * Completes `gradients`.
   * @returns their joint norm
   * @throws TrainingError when no pass succeeded since the last step, or the norm is not finite
   */
  finish(): number;
  /** Discards everything added so far. */
  forget(): void;
}

export function gradientSum(parameters: Tensors): GradientSum {
  const gradients = zerosLike(parameters);
  /** Σ g² of the tensors that received something, computed while their array is in the processor's cache. */
  const squares = new Map<string, number>();
  let isDue = false;
  const forget = () => {
    squares.clear();
    isDue = false;
  };
  return {
    gradients,
    forget,
    add(name, part) {
      const sum = gradients.get(name)!;
      if (squares.has(name)) addInto(sum, part);
      else sum.set(part);
      squares.set(name, sumOfSquares(sum));
    },
    passed() {
      isDue = true;
    },
    finish() {
      if (!isDue) throw new TrainingError("optimStep: expected a gradient, got none; call backward first");
      // A fixed order of tensors makes the sum the same each time.
      let sum = 0;
      for (const [name, gradient] of gradients) {
        if (!squares.has(name)) gradient.fill(0);
        sum += squares.get(name) ?? 0;
      }
      const norm = Math.sqrt(sum);
      if (Number.isFinite(norm)) return norm;
      forget();
      throw new TrainingError(
        `optimStep: expected a finite gradient, got norm ${norm}; it is forgotten, and the weights are as they were`,
      );
    },
  };
}

function addInto(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
}
