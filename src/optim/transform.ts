import { ConfigError, ShapeError } from "../errors";
import { counted } from "../options/display";

/** Parameters, or gradients, by name. */
export type Tensors = ReadonlyMap<string, Float32Array>;

/** An optimizer's whole state, as plain numbers: a checkpoint that stores it continues exactly. */
export interface OptimizerState {
  /** Updates made so far. */
  step: number;
  readonly tensors: Map<string, Float32Array>;
}

/**
 * One stage of an optimizer. `update` works in place, because memory has no room for a second copy of the parameters:
 * it may rewrite the gradients for the stages behind it (clipping) or move the parameters (AdamW, last in a chain), and
 * it advances the state.
 */
export interface GradientTransform {
  /** A state for these parameters, before their first update. */
  init(params: Tensors): OptimizerState;
  /**
   * @param gradients ∂L/∂θ, one array for each parameter; may be overwritten
   * @throws ShapeError when gradients and parameters do not match, before anything has changed
   */
  update(gradients: Tensors, state: OptimizerState, params: Tensors, step: OptimizerStep): void;
  /** Describes a fault in a loaded state (with finite numbers) that no run of this optimizer can produce. */
  problemWith?(state: OptimizerState): string | undefined;
}

/** The knowledge of an update besides gradients and parameters. */
export interface OptimizerStep {
  /** This update's learning rate; schedules live outside. */
  readonly learningRate: number;
  /** ‖gradients‖ over all tensors together, if the caller knows it, which spares clipping the computation. */
  readonly gradNorm?: number;
}

/**
 * Joins stages into one, from left to right. The stages share one state, so it can be saved without knowing the chain.
 * @throws ConfigError (from `init`) when two stages keep a tensor of the same name
 * @example
 * const optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 }));
 * // The same numbers in one pass over the gradients instead of two: adamw({ weightDecay: 0.1, clipNorm: 1 })
 */
export function chain(...transforms: readonly GradientTransform[]): GradientTransform {
  return {
    init(params) {
      const tensors = new Map<string, Float32Array>();
      for (const transform of transforms) {
        for (const [name, tensor] of transform.init(params).tensors) {
          if (tensors.has(name)) throw new ConfigError(`chain: expected one stage to keep "${name}", got two`);
          tensors.set(name, tensor);
        }
      }
      return { step: 0, tensors };
    },
    update(gradients, state, params, step) {
      transforms.forEach((transform, i) => {
        // Each stage counts on its own copy, or the step would advance once a stage. Only the first stage gets the
        // norm, because it may change the gradients.
        transform.update(gradients, { ...state }, params, i === 0 ? step : { learningRate: step.learningRate });
      });
      state.step += 1;
    },
    problemWith: (state) =>
      transforms.map((transform) => transform.problemWith?.(state)).find((problem) => problem !== undefined),
  };
}

/** Throws ShapeError unless there is exactly one gradient, of the right size, for each parameter. */
export function checkGradients(gradients: Tensors, params: Tensors): void {
  for (const [name, param] of params) {
    const gradient = gradients.get(name);
    if (gradient?.length !== param.length)
      throw new ShapeError(
        `gradient of "${name}": expected ${counted(param.length, "number")}, got ${gradient?.length ?? "none"}`,
      );
  }
  for (const name of gradients.keys())
    if (!params.has(name)) throw new ShapeError(`gradient of "${name}": expected a parameter of that name, got none`);
}
