import { TrainingError } from "../../errors";
import { weightsIn } from "../../models/files/run-directory";
import type { VisionLanguageModel } from "../../models/open-model";
import { type GradientTransform, globalNorm, type OptimizerState } from "../../optim";
import { checkArguments, textKind } from "../../options/arguments";
import { checkFinite, readOptimizer, saveOptimizer } from "../checkpoint/optimizer-files";
import { readPolicy, savePolicy } from "../checkpoint/policy-files";
import { interpolateWeights, type Policy } from "../policy";
import { checkShare } from "./check-rows";
import { type GradientSum, gradientSum } from "./gradients";

/** All state that training changes: a policy's trainable weights, the optimizer's state, and the gradient. */
export interface Optimization {
  /** Collects the gradient for the next step. */
  readonly gradient: GradientSum;
  /**
   * Moves the weights along the gradient, which then restarts from zero.
   * @returns the gradient's norm, before clipping
   * @throws TrainingError when the gradient is missing or not finite; no weight has moved then
   */
  step(learningRate: number): number;
  /** Keeps a share of what training has changed, and starts the optimizer anew. */
  interpolate(share: number): Promise<void>;
  /** Writes weights and optimizer state. @throws TrainingError for weights that are not finite, before it writes */
  save(dir: string): Promise<void>;
  /**
   * Reads both back; a run directory stands for its best or newest checkpoint. @throws CheckpointError for an unusable
   * folder; nothing has changed then
   */
  load(dir: string): Promise<void>;
}

/** Starts `optimizer` on the trainable weights of `policy`, which it moves in place. */
export function createOptimization(
  model: VisionLanguageModel,
  policy: Policy,
  optimizer: GradientTransform,
): Optimization {
  const parameters = new Map([...policy.trainable].map(([name, { data }]) => [name, data]));
  const state = optimizer.init(parameters);
  const gradient = gradientSum(parameters);
  const restart = ({ tensors, step }: OptimizerState) => {
    for (const [name, data] of tensors) state.tensors.get(name)!.set(data);
    state.step = step;
    gradient.forget();
  };
  return {
    gradient,

    step(learningRate) {
      const gradNorm = gradient.finish();
      optimizer.update(gradient.gradients, state, parameters, { learningRate, gradNorm });
      gradient.forget();
      return gradNorm;
    },

    async interpolate(share) {
      checkShare(share);
      await interpolateWeights(policy, share);
      restart(optimizer.init(parameters));
    },

    async save(dir) {
      checkArguments("save", { dir }, { dir: textKind });
      if (!Number.isFinite(globalNorm(parameters)))
        throw new TrainingError(`save: expected finite weights; nothing was written to ${dir}`);
      await savePolicy(model, policy, dir);
      await saveOptimizer(dir, state);
    },

    async load(path) {
      checkArguments("load", { dir: path }, { dir: textKind });
      const dir = await weightsIn(path);
      const weights = await readPolicy(policy, dir);
      checkFinite(dir, weights);
      const stored = await readOptimizer(dir, optimizer, () => optimizer.init(parameters));
      // From here on nothing fails, so an unusable folder changes nothing.
      for (const [name, data] of weights) parameters.get(name)!.set(data);
      restart(stored);
    },
  };
}
