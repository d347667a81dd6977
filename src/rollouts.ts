import type { Completion, FormatCheck, Leak, Prompt } from "./types";

/** One of several rewards that were summed. */
export interface RewardTerm {
  readonly name: string;
  /** `null` where it does not apply. */
  readonly value: number | null;
  readonly weight: number;
}

/** A reward (the paper's is in [0, 1]), and everything it was made of. */
export interface Reward {
  readonly reward: number;
  /** The rewards that were summed, if there were several. */
  readonly terms?: readonly RewardTerm[];
  /** 0 when the prediction does not parse. */
  readonly similarity: number;
  readonly leaks: readonly Leak[];
  readonly format: FormatCheck;
  /** The flaws that were overlooked to read the prediction; absent if it had none. */
  readonly repairs?: readonly string[];
}

/** One cot, the annotation reconstructed from it, and what the pair earned. */
export interface Rollout<A> {
  readonly exampleId: string;
  /** Position within the group; several reconstructions of one cot are side by side. */
  readonly index: number;
  readonly cot: Completion;
  readonly reconstruction: Completion;
  /** The parsed reconstruction Â; `null` when it does not parse. */
  readonly prediction: A | null;
  readonly reward: Reward;
}

/** One row of D_RISE: (I, R*, A, r), by example id. */
export interface RatedCot<A> {
  readonly exampleId: string;
  readonly cot: string;
  readonly annotation: A;
  readonly reward: number;
}

/** One `<think>…</think><answer>…</answer>` completion, and what it earned: a rollout of stage 2. */
export interface AnswerRollout<A> {
  readonly exampleId: string;
  /** Position within the group. */
  readonly index: number;
  readonly completion: Completion;
  /** `null` when it does not parse. */
  readonly prediction: A | null;
  readonly reward: Reward;
}

/** A rollout with the completions that earned its reward: one row of the GRPO loss, in one or more segments. */
export interface Sampled<R> {
  readonly rollout: R;
  readonly reward: Reward;
  /** The example's annotation. */
  readonly truth: unknown;
  readonly segments: readonly SampledSegment[];
}

/** A segment of a rollout as it was sampled. */
export interface SampledSegment {
  readonly prompt: Prompt;
  readonly completion: Completion;
  /** The temperature it was sampled at (1): the policy of this temperature learns from it. */
  readonly temperature?: number | undefined;
}
