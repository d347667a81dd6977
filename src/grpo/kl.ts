import type { Term } from "./objective";

export type KlEstimatorName = "k3" | "importanceWeightedK3";

/** Per-token estimates of KL(π ‖ π_ref) from one sample, d = log π_ref − log π. */
export const klEstimators: { readonly [N in KlEstimatorName]: (d: number, logRatio: number) => Term } = {
  // eᵈ − d − 1                        never negative; unbiased while the samples are π's own (Schulman 2020)
  k3: (d) => ({ value: k3(d), dLogProb: -Math.expm1(d), dLogRatio: 0 }),

  // r·(eᵈ − d − 1)                    unbiased for samples of the old policy too (DeepSeek-V3.2)
  importanceWeightedK3: (d, logRatio) => {
    const r = Math.exp(logRatio);
    return { value: r * k3(d), dLogProb: -r * Math.expm1(d), dLogRatio: r * k3(d) };
  },
};

/** `expm1` keeps the digits that 1 would swallow where the policies nearly agree. */
const k3 = (d: number) => Math.expm1(d) - d;
