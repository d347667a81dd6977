/** The number that a group's rewards are compared with. */
export type BaselineName = "mean" | "leaveOneOut" | "lengthWeightedMean" | "runnerUp" | "none";

interface Group {
  /** The rewards, R. */
  readonly rewards: Float64Array;
  readonly mean: number;
  /** Unmasked tokens, L. */
  readonly lengths: Float64Array;
}

/** The differences R − b for the n ≥ 2 rewards of one group. */
export const baselines: { readonly [B in BaselineName]: (group: Group) => Float64Array } = {
  // b = ΣR/n
  mean: ({ rewards, mean }) => minus(rewards, mean),

  // b = (ΣR − R)/(n − 1)              the others' mean, which does not depend on the completion itself (RLOO)
  leaveOneOut: ({ rewards }) => {
    const total = sum(rewards);
    return rewards.map((reward) => reward - (total - reward) / (rewards.length - 1));
  },

  // b = ΣL·R/ΣL                       least variance if tokens are alike (OPO)
  lengthWeightedMean: ({ rewards, lengths }) =>
    minus(rewards, sum(rewards.map((reward, i) => reward * lengths[i]!)) / Math.max(sum(lengths), 1)),

  // b = the second best, for the best; the others get 0 (pass@k)
  runnerUp: ({ rewards }) => {
    const [second, best] = [...rewards].sort((a, b) => a - b).slice(-2) as [number, number];
    return rewards.map((reward) => (reward === best ? best - second : 0));
  },

  // b = 0
  none: ({ rewards }) => rewards,
};

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
const minus = (values: Float64Array, baseline: number) => values.map((value) => value - baseline);
