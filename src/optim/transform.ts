import { ConfigError, ShapeError } from "../errors";

/** Parameters, or gradients, by name. */
export type Tensors = ReadonlyMap<string, Float32Array>;

/** Everything an optimiser remembers, as plain numbers: a checkpoint that stores these continues exactly. */
export interface OptimizerState {
  /** Updates made so far. */
  step: number;
  readonly tensors: Map<string, Float32Array>;
}

/**
 * One stage of an optimiser. `update` works in place, because a second copy of the parameters is memory we do not have: it may
 * rewrite the gradients for the stages behind it (clipping), or move the parameters (AdamW, last in a chain), and it advances
 * the state.
 */
export interface GradientTransform {
  init(params: Tensors): OptimizerState;
  /**
   * @param gradients ∂L/∂θ, one array for each parameter; may be overwritten
   * @throws ShapeError when gradients and parameters do not match, before anything has changed
   */
  update(gradients: Tensors, state: OptimizerState, params: Tensors, step: OptimizerStep): void;
  /** Where all that `update` does is to multiply every gradient by one number: that number. A chain may leave the multiplying to the next stage. */
  factor?(gradients: Tensors, step: OptimizerStep): number;
  /** Names a fault of a state read from a file that no updates of this optimiser can have left. Numbers are known to be finite. */
  problemWith?(state: OptimizerState): string | undefined;
  /** Whether `update` heeds `OptimizerStep.gradientFactor`: one pass over memory less. */
  readonly takesFactor?: boolean;
}

export interface OptimizerStep {
  /** Of this update: schedules live outside. */
  readonly learningRate: number;
  /** ‖gradients‖ over all tensors together, where the caller knows it: clipping need not add it up again. */
  readonly gradNorm?: number;
  /** What gradients are to be multiplied by before anything else (1), each product rounded to float32. Only for stages that say they heed it. */
  readonly gradientFactor?: number;
}

/**
 * Several stages as one: `chain(clipByGlobalNorm(1), adamw())` reads left to right.
 *
 * The stages share one state, so that saving it needs no knowledge of how the chain was built.
 * @throws ConfigError (from `init`) when two stages keep a tensor of the same name
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
      let gradientFactor = 1;
      transforms.forEach((transform, i) => {
        // Behind the first stage the gradients may be others.
        const own = i === 0 ? step : { learningRate: step.learningRate };
        if (transform.factor && transforms[i + 1]?.takesFactor) {
          gradientFactor = transform.factor(gradients, own);
          return;
        }
        // Each stage counts on its own copy, or the step would advance once for every stage.
        transform.update(gradients, { ...state }, params, { ...own, gradientFactor });
        gradientFactor = 1;
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
    if (gradient?.length !== param.length) {
      throw new ShapeError(
        `gradient of "${name}": expected ${param.length} numbers, got ${gradient?.length ?? "none"}`,
      );
    }
  }
  for (const name of gradients.keys()) {
    if (!params.has(name)) throw new ShapeError(`gradient of "${name}": expected a parameter of that name, got none`);
  }
}
