import type { Sequence } from "./batch";

/** A token's loss and its two partial derivatives; both lead to the token's log-probability. */
export interface Term {
  readonly value: number;
  /** ∂/∂ log π, with the ratio held. */
  readonly dLogProb: number;
  /** ∂/∂ log r, with log π held. */
  readonly dLogRatio: number;
  /** Which side of the clip range stopped this token, if any. */
  readonly clipped: "low" | "high" | "none";
}

export interface ObjectiveSettings {
  readonly clipEpsilon: number;
  readonly clipEpsilonHigh: number;
  readonly delta: number;
}

/** What a token contributes, given its advantage, log π and the logarithm of its importance ratio r. */
export type Objective = (
  settings: ObjectiveSettings,
  sequence: Sequence,
  samplerLogRatio: number,
) => (advantage: number, logProb: number, logRatio: number) => Term;

export type ObjectiveName =
  | "unclipped"
  | "clipped"
  | "reinforce"
  | "cappedReinforce"
  | "clippedReinforce"
  | "softGate"
  | "gammaWeighted";

/** Per-token objectives. Notation: r importance ratio, A advantage, sg[·] stop-gradient. */
export const objectives: { readonly [N in ObjectiveName]: Objective } = {
  // −r·A
  unclipped: () => (advantage, _, logRatio) => {
    const value = -Math.exp(logRatio) * advantage;
    return { value, dLogProb: 0, dLogRatio: value, clipped: "none" };
  },

  // −min(min(r, δ)·A, clip(r, 1 − ε, 1 + ε_high)·A)
  clipped: ({ clipEpsilon, clipEpsilonHigh, delta }) => {
    const [low, high] = [1 - clipEpsilon, 1 + clipEpsilonHigh];
    return (advantage, _, logRatio) => {
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

  // −A·log π                          no ratio at all (GPG)
  reinforce: () => (advantage, logProb) => reinforce(advantage, logProb, "none"),

  // −sg[min(r, ε_high)]·A·log π       every token keeps a gradient; the cap bounds its weight (CISPO, MiniMax-M1)
  cappedReinforce: ({ clipEpsilonHigh }) => {
    return (advantage, logProb, logRatio) => {
      const r = Math.exp(logRatio);
      const clipped = r > clipEpsilonHigh && advantage > 0 ? "high" : "none";
      return reinforce(Math.min(r, clipEpsilonHigh) * advantage, logProb, clipped);
    };
  },

  // −sg[clip(r, 1 − ε, 1 + ε_high)]·A·log π      CISPO as verl has it
  clippedReinforce: ({ clipEpsilon, clipEpsilonHigh }) => {
    const [low, high] = [1 - clipEpsilon, 1 + clipEpsilonHigh];
    return (advantage, logProb, logRatio) => {
      const r = Math.exp(logRatio);
      return reinforce(
        Math.min(Math.max(r, low), high) * advantage,
        logProb,
        r < low ? "low" : r > high ? "high" : "none",
      );
    };
  },

  // −A·(4/τ)·σ(τ(r − 1))              τ = 1 if A > 0, else 1.05 (SAPO)
  softGate: () => (advantage, _, logRatio) => {
    const temperature = advantage > 0 ? 1 : 1.05;
    const r = Math.exp(logRatio);
    const gate = 1 / (1 + Math.exp(-temperature * (r - 1)));
    return {
      value: (-advantage * 4 * gate) / temperature,
      dLogProb: 0,
      dLogRatio: -advantage * 4 * gate * (1 - gate) * r,
      clipped: "none",
    };
  },

  // −sg[φ]·A·log π,  φ = w^k·exp(λ(1 − w)), w the ratio of the whole sequence to the sampler; (k, λ) = (2, 3) if A ≥ 0, else (3, 2) (VESPO)
  gammaWeighted: (_, { logProbs, oldLogProbs }, samplerLogRatio) => {
    let sum = samplerLogRatio;
    for (const [k, logProb] of logProbs.entries()) sum += Math.min(Math.max(logProb - oldLogProbs[k]!, -20), 20);
    const logWeight = Math.min(Math.max(sum, Math.log(1e-8)), 20);
    const phi = (k: number, lambda: number) => Math.exp(lambda + k * logWeight - lambda * Math.exp(logWeight));
    const [good, bad] = [phi(2, 3), phi(3, 2)];
    return (advantage, logProb) => reinforce((advantage >= 0 ? good : bad) * advantage, logProb, "none");
  },
};

/** −sg[weight]·log π */
const reinforce = (weight: number, logProb: number, clipped: Term["clipped"]): Term => ({
  value: -weight * logProb,
  dLogProb: -weight,
  dLogRatio: 0,
  clipped,
});
