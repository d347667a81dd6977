import type { Sequence } from "./batch";

/** The log-ratios that weight a sequence's tokens, and the pullback of a gradient by them. */
export interface Importance {
  readonly logRatios: Float64Array;
  /** Maps ∂L/∂logRatios to ∂L/∂logProbs; may overwrite its argument. */
  readonly pullback: (gradient: Float64Array) => Float64Array;
}

/** The unit that has a ratio of probabilities. */
export type ImportanceLevel = "token" | "sequence" | "sequenceToken" | "product" | "clippedSequence";

interface ImportanceSettings {
  readonly clipEpsilon: number;
  readonly clipEpsilonHigh: number;
  readonly lengthEpsilon: number;
}

/**
 * Ways from log π_θ − log π_old of each token, lrₜ, to the log-ratio that weights it. L unmasked tokens, η the length
 * epsilon.
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

  // Σ clip(lr) / (L + η)              at ε_high if A > 0, at −ε if A < 0, at 0 if A = 0 (GMPO)
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

/** Bounds log-ratios to [low, high]; those outside have no slope. */
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

// Both are linear and symmetric, so each is its own pullback.
const total = (values: Float64Array) => values.fill(sum(values));
const mean = (values: Float64Array) => values.fill(sum(values) / values.length);

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
