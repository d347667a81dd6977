import type { Sequence } from "./batch";

/** The log-ratios that a sequence's tokens are weighed by, and the way back for a gradient by them. */
export interface Importance {
  readonly logRatios: Float64Array;
  /** From ∂L/∂logRatios to ∂L/∂logProbs; may overwrite what it is given. */
  readonly pullback: (gradient: Float64Array) => Float64Array;
}

export type ImportanceLevel = "token" | "sequence" | "product" | "clippedSequence";

interface ClipRange {
  readonly clipEpsilon: number;
  readonly clipEpsilonHigh: number;
}

/** From log π_θ − log π_old, one for each token, to the log-ratio each token is weighed by. L unmasked tokens. */
export const importanceLevels: {
  readonly [L in ImportanceLevel]: (sequence: Sequence, range: ClipRange) => Importance;
} = {
  // lrₜ
  token: (sequence) => ({ logRatios: tokenLogRatios(sequence), pullback: (gradient) => gradient }),

  // Σ lr / L                          the geometric mean of the ratios (GSPO)
  sequence: (sequence) => ({ logRatios: mean(tokenLogRatios(sequence)), pullback: mean }),

  // Σ lr                              the ratio of the whole sequence's probabilities (RLOO)
  product: (sequence) => ({ logRatios: total(tokenLogRatios(sequence)), pullback: total }),

  // Σ clip(lr) / L                    at ε_high where A > 0, at −ε where A < 0; nothing counts where A = 0 (GMPO)
  clippedSequence: (sequence, { clipEpsilon, clipEpsilonHigh }) => {
    const logRatios = tokenLogRatios(sequence);
    const passes = new Uint8Array(logRatios.length);
    for (const [k, advantage] of sequence.advantages.entries()) {
      const [low, high] =
        advantage > 0 ? [-Infinity, clipEpsilonHigh] : advantage < 0 ? [-clipEpsilon, Infinity] : [0, 0];
      if (logRatios[k]! < low) logRatios[k] = low;
      else if (logRatios[k]! > high) logRatios[k] = high;
      else if (advantage !== 0) passes[k] = 1;
    }
    return { logRatios: mean(logRatios), pullback: (gradient) => mean(gradient).map((value, k) => value * passes[k]!) };
  },
};

function tokenLogRatios({ logProbs, oldLogProbs }: Sequence): Float64Array {
  const logRatios = new Float64Array(logProbs.length);
  for (let k = 0; k < logRatios.length; k++) logRatios[k] = logProbs[k]! - oldLogProbs[k]!;
  return logRatios;
}

// Linear and symmetric, so each also carries gradients back.
const total = (values: Float64Array) => values.fill(sum(values));
const mean = (values: Float64Array) => values.fill(sum(values) / values.length);

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
