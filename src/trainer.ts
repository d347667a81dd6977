import type { VlmBackend } from "./backend";
import type { LogProbOptions, LossFn, ScoringOptions, TokenRows, TrainSequence } from "./scoring";
import type { MemoryEstimate, Workload } from "./types";

export type { LogProbOptions, LossFn, ScoringOptions, Segment, TokenRows, TrainSequence } from "./scoring";

/** A policy that can be sampled and improved: the calls of Tinker's API. */
export interface Trainer {
  /** The only way to sample the policy: it always has the weights of the last `optimStep`. Owned by the trainer. */
  sampler(): VlmBackend;
  /** Whether the sampler's precision differs from `backward`'s: runs then correct for it by default (false). */
  readonly samplerDiffers?: boolean;
  /** Token ids of a completion's text, followed by the end-of-turn token. */
  encode(text: string): readonly number[];
  /** log π of each token now, or as the policy began (its checkpoint; with LoRA, no adapter): KL's reference. */
  logProbs(sequences: readonly TrainSequence[], options?: LogProbOptions): Promise<readonly Float64Array[]>;
  /** Entropy of the distribution that each token was chosen from, nats, over the whole vocabulary. */
  entropies(sequences: readonly TrainSequence[], options?: ScoringOptions): Promise<readonly Float64Array[]>;
  /** Adds ⟨cotangents, ∂logProbs/∂θ⟩ + ⟨entropyCotangents, ∂entropies/∂θ⟩ to the gradient. @returns today's scores */
  backward(
    sequences: readonly TrainSequence[],
    cotangents: TokenRows,
    options?: ScoringOptions & { readonly entropyCotangents?: TokenRows | undefined },
  ): Promise<{ readonly logProbs: readonly Float64Array[]; readonly entropies?: readonly Float64Array[] }>;
  /** Adds ∂L/∂θ of `lossFn` by the calls above: `forwardBackwardOver` (trainers/forward-backward). */
  forwardBackward(
    sequences: readonly TrainSequence[],
    lossFn: LossFn,
    options?: ScoringOptions & { readonly assumedLogProbs?: TokenRows; readonly entropies?: boolean },
  ): Promise<{ readonly loss: number; readonly logProbs: readonly Float64Array[] }>;
  /** Applies the gradient (0 if nothing reached a weight) and clears it. If it throws, no weight has moved. */
  optimStep(params: { readonly learningRate: number }): Promise<{ readonly gradNorm: number }>;
  /** Moves the weights to θ₀ + share · (θ − θ₀), with the reference's θ₀, and starts the optimizer anew (WiSE-FT). */
  interpolate?(share: number): Promise<void>;
  /** Writes weights and optimizer state; `load` restores both exactly, or starts a new state if it is missing. */
  save(dir: string): Promise<void>;
  /** Reads what `save` wrote. */
  load(dir: string): Promise<void>;
  /** Estimates the memory of sampling these completions and of a step on them. @throws ConfigError if there is less */
  checkMemory?(work: Workload): Promise<MemoryEstimate>;
  /** Frees native memory; the trainer is of no use afterwards. */
  dispose(): Promise<void>;
}
