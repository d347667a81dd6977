import type { VlmBackend } from "../backends/backend";
import type { MemoryEstimate, Prompt, Workload } from "../types";

/** A prompt and the tokens that follow it; only these tokens carry loss. */
export interface TrainSequence {
  readonly prompt: Prompt;
  readonly completion: readonly number[];
}

/** A loss over per-token log-probabilities, one array a sequence, and its gradient ∂L/∂logProbs of the same shape. */
export type LossFn = (logProbs: readonly Float64Array[]) => {
  readonly loss: number;
  readonly gradient: readonly Float64Array[];
};

export interface ScoringOptions {
  /** Log-probs are those of softmax(logits / temperature), the policy that a sampler of this temperature follows (1). Source: TRL. */
  readonly temperature?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A policy that can be sampled and improved: the calls of Tinker's API. */
export interface Trainer {
  /** The only way to sample the policy: it always has the weights of the last `optimStep`. Owned by the trainer. */
  sampler(): VlmBackend;
  /** Token ids of a completion's text, followed by the end-of-turn token. */
  encode(text: string): readonly number[];
  /**
   * Log-probs of each sequence's tokens under the policy as it is now, or under the one it started as: the reference policy of KL.
   * That one is never saved: it is the checkpoint the trainer was made from, with LoRA the model without its adapter.
   */
  logProbs(
    sequences: readonly TrainSequence[],
    options?: ScoringOptions & { readonly policy?: "current" | "reference" },
  ): Promise<readonly Float64Array[]>;
  /**
   * Adds ∂L/∂θ to the accumulated gradient. `assumedLogProbs` are log-probs at which to evaluate the gradient, which saves a forward
   * pass: the sampler's own when this is the first update after sampling (ratio 1), or anything where the gradient is constant (SFT).
   * The returned loss and log-probs are always those of the current weights.
   */
  forwardBackward(
    sequences: readonly TrainSequence[],
    lossFn: LossFn,
    options?: ScoringOptions & { readonly assumedLogProbs?: readonly ArrayLike<number>[] },
  ): Promise<{ readonly loss: number; readonly logProbs: readonly Float64Array[] }>;
  /** Applies and clears the accumulated gradient. When it throws, the weights are those of before. */
  optimStep(params: { readonly learningRate: number }): Promise<{ readonly gradNorm: number }>;
  /** Writes weights and optimiser state; `load` restores both exactly, and of weights that came without a state starts a new one. */
  save(dir: string): Promise<void>;
  load(dir: string): Promise<void>;
  /**
   * What sampling such completions, and a step on them, will take: to ask before a run starts.
   * @throws ConfigError when there is less, with the numbers and what to change
   */
  checkMemory?(work: Workload): Promise<MemoryEstimate>;
  dispose(): Promise<void>;
}
