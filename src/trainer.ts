import type { VlmBackend } from "./backend";
import type { MemoryEstimate, Prompt, Workload } from "./types";

/** A prompt and the tokens that follow it; only these tokens carry loss. */
export type TrainSequence = { readonly prompt: Prompt; readonly completion: readonly number[] };

/** One array a sequence, with one number for each token of its completion. */
export type TokenRows = readonly ArrayLike<number>[];

/** A loss over log-probabilities, and entropies where they were asked for, with its gradients: what `grpoLoss` returns is one. */
export type LossFn = (
  logProbs: readonly Float64Array[],
  entropies?: readonly Float64Array[],
) => { readonly loss: number; readonly gradient: TokenRows; readonly entropyGradient?: TokenRows | undefined };

export interface ScoringOptions {
  /** Log-probs and entropies are those of softmax(logits / temperature), which a sampler of this temperature follows (1). Source: TRL. */
  readonly temperature?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A policy that can be sampled and improved: the calls of Tinker's API. */
export interface Trainer {
  /** The only way to sample the policy: it always has the weights of the last `optimStep`. Owned by the trainer. */
  sampler(): VlmBackend;
  /** Whether the sampler computes in another precision than `backward`: runs then correct for the difference by default (false). */
  readonly samplerDiffers?: boolean;
  /** Token ids of a completion's text, followed by the end-of-turn token. */
  encode(text: string): readonly number[];
  /** Of each token, under the policy as it is now or as it began (from its checkpoint; with LoRA, without the adapter): KL's reference. */
  logProbs(
    sequences: readonly TrainSequence[],
    options?: ScoringOptions & { readonly policy?: "current" | "reference" },
  ): Promise<readonly Float64Array[]>;
  /** Entropy of the distribution that each token was chosen from, nats, over the whole vocabulary. */
  entropies(sequences: readonly TrainSequence[], options?: ScoringOptions): Promise<readonly Float64Array[]>;
  /** Adds ⟨cotangents, ∂logProbs/∂θ⟩, and ⟨entropyCotangents, ∂entropies/∂θ⟩, to the gradient. @returns the scores of the present weights */
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
  /** Applies the accumulated gradient, 0 for what received none, and clears it. When it throws (nothing went backward, NaN), no weight has moved. */
  optimStep(params: { readonly learningRate: number }): Promise<{ readonly gradNorm: number }>;
  /** Writes weights and optimiser state; `load` restores both exactly, and of weights that came without a state starts a new one. */
  save(dir: string): Promise<void>;
  load(dir: string): Promise<void>;
  /** What sampling such completions, and a step on them, will take. @throws ConfigError when there is less, with what to change */
  checkMemory?(work: Workload): Promise<MemoryEstimate>;
  dispose(): Promise<void>;
}
