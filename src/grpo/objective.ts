import type { Sequence } from "./batch";

/** A token's loss and its two partial derivatives; both lead to the token's log-probability. */
export interface Term {
  readonly value: number;
  /** ∂/∂ log π, with the ratio held. */
  readonly dLogProb: number;
  /** ∂/∂ log r, with log π held. */
  readonly dLogRatio: number;
}

export interface PolicyTerm extends Term {
  /** Which side of the clip range stopped this token, if any. */
  readonly clipped: "low" | "high" | "none";
}

export interface ObjectiveSettings {
  readonly clipEpsilon: number;
  readonly clipEpsilonHigh: number;
  readonly delta: number;
}

/** What a token contributes, given log π and the logarithm of its importance ratio r. */
export type Objective = (
  sequence: Sequence,
  settings: ObjectiveSettings,
) => (logProb: number, logRatio: number) => PolicyTerm;

export type ObjectiveName = "clipped" | "cappedReinforce" | "softGate" | "gammaWeighted";

/** Per-token objectives. Notation: r importance ratio, A advantage, sg[·] stop-gradient. */
export const objectives: { readonly [N in ObjectiveName]: Objective } = {
  // −min(min(r, δ)·A, clip(r, 1 − ε, 1 + ε_high)·A)
  clipped: ({ advantage }, { clipEpsilon, clipEpsilonHigh, delta }) => {
    const [low, high] = [1 - clipEpsilon, 1 + clipEpsilonHigh];
    return (_, logRatio) => {
      const r = Math.exp(logRatio);
      const free = Math.min(r, delta) * advantage;
      const clipped = Math.min(Math.max(r, low), high) * advantage;
      const dFree = r <= delta ? r * advantage : 0;
      const dClipped = r >= low && r <= high ? r * advantage : 0;
      return {
        value: -Math.min(free, clipped),
        dLogProb: 0,
        // At a tie each side gets half, as in PyTorch; inside the range both sides agree.
        dLogRatio: -(free < clipped ? dFree : clipped < free ? dClipped : (dFree + dClipped) / 2),
        clipped: r < low && advantage < 0 ? "low" : r > high && advantage > 0 ? "high" : "none",
      };
    };
  },

  // −sg[min(r, ε_high)]·A·log π       every token keeps a gradient; the cap bounds its weight (CISPO, MiniMax-M1)
  cappedReinforce: ({ advantage }, { clipEpsilonHigh }) => {
    return (logProb, logRatio) => {
      const r = Math.exp(logRatio);
      return {
        ...reinforce(Math.min(r, clipEpsilonHigh) * advantage, logProb),
        clipped: r > clipEpsilonHigh && advantage > 0 ? "high" : "none",
      };
    };
  },

  // −A·(4/τ)·σ(τ(r − 1))              τ = 1 if A > 0, else 1.05 (SAPO)
  softGate: ({ advantage }) => {
    const temperature = advantage > 0 ? 1 : 1.05;
    return (_, logRatio) => {
      const r = Math.exp(logRatio);
      const gate = 1 / (1 + Math.exp(-temperature * (r - 1)));
      return {
        value: (-advantage * 4 * gate) / temperature,
        dLogProb: 0,
        dLogRatio: -advantage * 4 * gate * (1 - gate) * r,
        clipped: "none",
      };
    };
  },

  // −sg[φ]·A·log π,  φ = w^k·exp(λ(1 − w)), w the ratio of the whole sequence; (k, λ) = (2, 3) if A ≥ 0, else (3, 2) (VESPO)
  gammaWeighted: ({ advantage, logRatios }) => {
    const [k, lambda] = advantage >= 0 ? [2, 3] : [3, 2];
    const sum = logRatios.reduce((total, logRatio) => total + Math.min(Math.max(logRatio, -20), 20), 0);
    const logWeight = Math.min(Math.max(sum, Math.log(1e-8)), 20);
    const phi = Math.exp(lambda + k * logWeight - lambda * Math.exp(logWeight));
    return (logProb) => ({ ...reinforce(phi * advantage, logProb), clipped: "none" });
  },
};

/** −sg[weight]·log π */
const reinforce = (weight: number, logProb: number): Term => ({
  value: -weight * logProb,
  dLogProb: -weight,
  dLogRatio: 0,
});
