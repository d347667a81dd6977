import type { Sequence } from "./batch";

/** The log-ratios that a sequence's tokens are weighed by, and the way back for a gradient by them. */
export interface Importance {
  readonly logRatios: Float64Array;
  /** From ∂L/∂logRatios to ∂L/∂logProbs; may overwrite what it is given. */
  readonly pullback: (gradient: Float64Array) => Float64Array;
}

export type ImportanceLevel = "token" | "sequence" | "sequenceToken" | "product" | "clippedSequence";

interface ImportanceSettings {
  readonly clipEpsilon: number;
  readonly clipEpsilonHigh: number;
  readonly lengthEpsilon: number;
}

/**
 * From log π_θ − log π_old, one for each token, to the log-ratio each token is weighed by. L unmasked tokens, η the
 * length epsilon.
 */
export const importanceLevels: {
  readonly [L in ImportanceLevel]: (sequence: Sequence, settings: ImportanceSettings) => Importance;
} = {
  // lrₜ
  token: (sequence) => ({ logRatios: tokenLogRatios(sequence), pullback: (gradient) => gradient }),

  // Σ lr / L                          the geometric mean of the ratios (GSPO)
  sequence: (sequence) => ({ logRatios: mean(tokenLogRatios(sequence)), pullback: mean }),

  // sg[Σ lr / L] + lrₜ − sg[lrₜ]      the same value, and each token's gradient is its own (GSPO-token)
  sequenceToken: (sequence) => ({ logRatios: mean(tokenLogRatios(sequence)), pullback: (gradient) => gradient }),

  // Σ lr                              the ratio of the whole sequence's probabilities (RLOO)
  product: (sequence) => ({ logRatios: total(tokenLogRatios(sequence)), pullback: total }),

  // Σ clip(lr) / (L + η)              at ε_high where A > 0, at −ε where A < 0; nothing counts where A = 0 (GMPO)
  clippedSequence: (sequence, { clipEpsilon, clipEpsilonHigh, lengthEpsilon }) => {
    const logRatios = tokenLogRatios(sequence);
    const passes = new Uint8Array(logRatios.length);
    for (const [k, advantage] of sequence.advantages.entries()) {
      const [low, high] =
        advantage > 0 ? [-Infinity, clipEpsilonHigh] : advantage < 0 ? [-clipEpsilon, Infinity] : [0, 0];
      if (logRatios[k]! < low) logRatios[k] = low;
      else if (logRatios[k]! > high) logRatios[k] = high;
      else if (advantage !== 0) passes[k] = 1;
    }
    const average = (values: Float64Array) => values.fill(sum(values) / (values.length + lengthEpsilon));
    return {
      logRatios: average(logRatios),
      pullback: (gradient) => average(gradient).map((value, k) => value * passes[k]!),
    };
  },
};

/** Log-ratios within [low, high]; those outside have no slope. */
export function bounded({ logRatios, pullback }: Importance, [low, high]: readonly [number, number]): Importance {
  const isOutside = logRatios.map((logRatio) => (logRatio < low || logRatio > high ? 1 : 0));
  return {
    logRatios: logRatios.map((logRatio) => Math.min(Math.max(logRatio, low), high)),
    pullback: (gradient) => pullback(gradient.map((value, k) => (isOutside[k] ? 0 : value))),
  };
}

function tokenLogRatios({ logProbs, oldLogProbs }: Sequence): Float64Array {
  const logRatios = new Float64Array(logProbs.length);
  for (let k = 0; k < logRatios.length; k++) logRatios[k] = logProbs[k]! - oldLogProbs[k]!;
  return logRatios;
}

// Linear and symmetric, so each also carries gradients back.
const total = (values: Float64Array) => values.fill(sum(values));
const mean = (values: Float64Array) => values.fill(sum(values) / values.length);

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
