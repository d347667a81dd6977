import { notNegative, number, positive, specOf } from "../../options/spec";
import type { Sequence } from "./batch";

/** A token's loss and its two partial derivatives; both reach the token's log-probability. */
export interface Term {
  readonly value: number;
  /** ∂/∂ log π, with the ratio held. */
  readonly dLogProb: number;
  /** ∂/∂ log r, with log π held. */
  readonly dLogRatio: number;
  /** The side of the clip range that stopped this token, if any. */
  readonly clipped: "low" | "high" | "none";
}

/** The sharpness of sapo's gate. */
export interface SapoOptions {
  /** τ where A > 0 (1). */
  readonly temperaturePositive?: number;
  /** τ where A ≤ 0 (1.05). */
  readonly temperatureNegative?: number;
}

/** The weight of vespo, φ = w^k·exp(λ(1 − w)). */
export interface VespoOptions {
  /** k where A ≥ 0 (2). */
  readonly kPositive?: number;
  /** λ where A ≥ 0 (3). */
  readonly lambdaPositive?: number;
  /** k where A < 0 (3). */
  readonly kNegative?: number;
  /** λ where A < 0 (2). */
  readonly lambdaNegative?: number;
}

/** The penalty of dro. */
export interface DroOptions {
  /** β, the weight of (log r)²/2; dro requires it. */
  readonly beta?: number;
}

export const sapoSpec = specOf<SapoOptions>()(() => ({
  temperaturePositive: positive().default(1).describe("τ where A > 0"),
  temperatureNegative: positive().default(1.05).describe("τ where A ≤ 0"),
}));

export const vespoSpec = specOf<VespoOptions>()(() => ({
  kPositive: notNegative().default(2).describe("k where A ≥ 0"),
  lambdaPositive: notNegative().default(3).describe("λ where A ≥ 0"),
  kNegative: notNegative().default(3).describe("k where A < 0"),
  lambdaNegative: notNegative().default(2).describe("λ where A < 0"),
}));

export const droSpec = specOf<DroOptions>()(() => ({
  beta: number("a finite number above 0", (value) => value > 0 && Number.isFinite(value))
    .optional()
    .describe("β, the weight of (log r)²/2, which dro has to be given"),
}));

export interface ObjectiveSettings {
  readonly clipEpsilon: number;
  readonly clipEpsilonHigh: number;
  readonly delta: number;
  readonly sapo: Required<SapoOptions>;
  readonly vespo: Required<VespoOptions>;
  readonly dro: { readonly beta?: number | undefined };
}

/** A token's contribution, given its advantage, log π, the logarithm of its importance ratio r, and log π_old. */
export type Objective = (
  settings: ObjectiveSettings,
  sequence: Sequence,
  samplerLogRatio: number,
) => (advantage: number, logProb: number, logRatio: number, oldLogProb: number) => Term;

export type ObjectiveName =
  | "unclipped"
  | "dualClipped"
  | "clipped"
  | "reinforce"
  | "cappedReinforce"
  | "clippedReinforce"
  | "softGate"
  | "gammaWeighted"
  | "withinTotalVariation"
  | "withinBinaryKl"
  | "quadratic";

/** Per-token objectives. Notation: r importance ratio, A advantage, sg[·] stop-gradient. */
export const objectives: { readonly [N in ObjectiveName]: Objective } = {
  // −r·A
  unclipped: () => (advantage, _, logRatio) => {
    const value = -ratioOf(logRatio) * advantage;
    return { value, dLogProb: 0, dLogRatio: value, clipped: "none" };
  },

  // −min(min(r, δ)·A, clip(r, 1 − ε, 1 + ε_high)·A)
  dualClipped: ({ clipEpsilon, clipEpsilonHigh, delta }) => {
    const [low, high] = [1 - clipEpsilon, 1 + clipEpsilonHigh];
    return (advantage, _, logRatio) => {
      const r = ratioOf(logRatio);
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

  // −min(r·A, clip(r, 1 − ε, 1 + ε_high)·A)
  clipped: (settings, ...rest) => objectives.dualClipped({ ...settings, delta: Number.POSITIVE_INFINITY }, ...rest),

  // −A·log π                          without a ratio (GPG)
  reinforce: () => (advantage, logProb) => reinforce(advantage, logProb, "none"),

  // −sg[min(r, ε_high)]·A·log π       every token keeps a gradient of bounded weight (CISPO, MiniMax-M1)
  cappedReinforce: ({ clipEpsilonHigh }) => {
    return (advantage, logProb, logRatio) => {
      const r = ratioOf(logRatio);
      const clipped = r > clipEpsilonHigh && advantage > 0 ? "high" : "none";
      return reinforce(Math.min(r, clipEpsilonHigh) * advantage, logProb, clipped);
    };
  },

  // −sg[clip(r, 1 − ε, 1 + ε_high)]·A·log π      CISPO as verl has it
  clippedReinforce: ({ clipEpsilon, clipEpsilonHigh }) => {
    const [low, high] = [1 - clipEpsilon, 1 + clipEpsilonHigh];
    return (advantage, logProb, logRatio) => {
      const r = ratioOf(logRatio);
      return reinforce(
        Math.min(Math.max(r, low), high) * advantage,
        logProb,
        r < low ? "low" : r > high ? "high" : "none",
      );
    };
  },

  // −A·(4/τ)·σ(τ(r − 1))              τ by the sign of A (SAPO)
  softGate:
    ({ sapo }) =>
    (advantage, _, logRatio) => {
      const temperature = advantage > 0 ? sapo.temperaturePositive : sapo.temperatureNegative;
      const r = ratioOf(logRatio);
      const gate = 1 / (1 + Math.exp(-temperature * (r - 1)));
      return {
        value: (-advantage * 4 * gate) / temperature,
        dLogProb: 0,
        dLogRatio: -advantage * 4 * gate * (1 - gate) * r,
        clipped: "none",
      };
    },

  // −sg[φ]·A·log π,  φ = w^k·exp(λ(1 − w)), w the ratio of the whole sequence to the sampler; k and λ by the sign of A
  // (VESPO)
  gammaWeighted: ({ vespo }, { logProbs, oldLogProbs }, samplerLogRatio) => {
    let sum = samplerLogRatio;
    for (const [k, logProb] of logProbs.entries()) sum += Math.min(Math.max(logProb - oldLogProbs[k]!, -20), 20);
    const logWeight = Math.min(Math.max(sum, Math.log(1e-8)), 20);
    const phi = (k: number, lambda: number) => Math.exp(lambda + k * logWeight - lambda * Math.exp(logWeight));
    const [good, bad] = [phi(vespo.kPositive, vespo.lambdaPositive), phi(vespo.kNegative, vespo.lambdaNegative)];
    return (advantage, logProb) => reinforce((advantage >= 0 ? good : bad) * advantage, logProb, "none");
  },

  // −sg[min(r, δ)]·A·log π            if p − p_old ≤ ε_high for A > 0, and p_old − p ≤ ε otherwise, else 0
  // (DPPO-Binary-TV)
  withinTotalVariation: (settings) => withinDivergence(settings, (p, old) => Math.abs(p - old)),

  // −sg[min(r, δ)]·A·log π            the same with KL((p_old, 1 − p_old) ‖ (p, 1 − p)) (DPPO-Binary-KL)
  withinBinaryKl: (settings) =>
    withinDivergence(
      settings,
      (p, old, logRatio) => -old * logRatio + (1 - old) * Math.log((1 - old + 1e-8) / (1 - p + 1e-8)),
    ),

  // −A·log π + β/2·(log r)²           pulled back to the old policy, not clipped (DRO)
  quadratic:
    ({ dro: { beta = Number.NaN } }) =>
    (advantage, logProb, logRatio) => ({
      value: -advantage * logProb + (beta / 2) * logRatio ** 2,
      dLogProb: -advantage,
      dLogRatio: beta * logRatio,
      clipped: "none",
    }),
};

/**
 * −sg[min(r, δ)]·A·log π, but 0 for a token whose probability has moved further from the old one, in A's direction,
 * than ε_high (up) or ε (down).
 * @param divergence a distance of p and p_old, also given log(p / p_old)
 */
function withinDivergence(
  { clipEpsilon, clipEpsilonHigh, delta }: ObjectiveSettings,
  divergence: (p: number, old: number, logRatio: number) => number,
): ReturnType<Objective> {
  return (advantage, logProb, logRatio, oldLogProb) => {
    const [p, old] = [Math.exp(logProb), Math.exp(oldLogProb)];
    const distance = divergence(p, old, logProb - oldLogProb);
    const isPushed = advantage > 0 ? p > old : p < old;
    if (isPushed && distance > (advantage > 0 ? clipEpsilonHigh : clipEpsilon))
      return { value: 0, dLogProb: 0, dLogRatio: 0, clipped: advantage > 0 ? "high" : "low" };
    return reinforce(Math.min(ratioOf(logRatio), delta) * advantage, logProb, "none");
  };
}

/**
 * r, kept finite so that 0 times r is 0: an infinite ratio would make NaN of an advantage of 0, and of a gate that is
 * shut.
 */
const ratioOf = (logRatio: number) => Math.exp(Math.min(logRatio, 700));

/** −sg[weight]·log π */
const reinforce = (weight: number, logProb: number, clipped: Term["clipped"]): Term => ({
  value: -weight * logProb,
  dLogProb: -weight,
  dLogRatio: 0,
  clipped,
});
