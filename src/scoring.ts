import type { Prompt } from "./types";

/** A prompt and the completion tokens that follow it; only these tokens carry loss. */
export type Segment = { readonly prompt: Prompt; readonly completion: readonly number[] };

/** The older name of `Segment`. */
export type TrainSequence = Segment;

/** One array for each segment, with one number for each token of its completion. */
export type TokenRows = readonly ArrayLike<number>[];

/**
 * A loss over log-probabilities, and over entropies if requested, with its gradients: `grpoLoss` returns such values.
 */
export type LossFn = (
  logProbs: readonly Float64Array[],
  entropies?: readonly Float64Array[],
) => { readonly loss: number; readonly gradient: TokenRows; readonly entropyGradient?: TokenRows | undefined };

/** How a trainer scores sequences. */
export interface ScoringOptions {
  /**
   * Scores are those of softmax(logits / temperature), which a sampler of this temperature follows (1). Source: TRL.
   */
  readonly temperature?: number;
  /** Ends the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Whose log-probs are asked for: the present weights', or those of the policy as it began ("current"). */
export interface LogProbOptions extends ScoringOptions {
  readonly policy?: "current" | "reference";
}
