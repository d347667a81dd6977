export interface AggregationSettings {
  readonly maxLength: number | undefined;
  readonly totalTokens: number | undefined;
  readonly accumulationSteps: number;
  readonly lengthEpsilon: number;
}

/** The numbers of sequences that count and of unmasked tokens in the batch. */
export interface BatchSize {
  readonly sequences: number;
  readonly tokens: number;
}

/** The weight w in the loss of each token of a sequence with `length` unmasked tokens: L = Σᵢ wᵢ Σₜ ℓᵢₜ. */
export type Aggregation = (length: number, batch: BatchSize, settings: AggregationSettings) => number;

/** How the losses of tokens become one number. */
export type AggregationName =
  | "sequenceMean"
  | "tokenMean"
  | "fixedLength"
  | "stepTokenMean"
  | "sequenceSum"
  | "tokenSum";

/**
 * Token weights. Notation: B sequences, Lᵢ tokens in sequence i, N = ΣLᵢ, a accumulation steps; a count of 0 is taken
 * as 1; η the length epsilon.
 */
export const aggregations: { readonly [N in AggregationName]: Aggregation } = {
  // 1/(B·(Lᵢ + η)·a)   each sequence counts the same                      verl: seq-mean-token-mean
  sequenceMean: (length, { sequences }, s) =>
    1 / (atLeastOne(sequences) * (atLeastOne(length) + s.lengthEpsilon) * s.accumulationSteps),
  // 1/(N·a)            each token of the batch counts the same            verl: token-mean
  tokenMean: (_, { tokens }, s) => 1 / (atLeastOne(tokens) * s.accumulationSteps),
  // 1/(B·L_max·a)      does not reward long or short ones                 verl: seq-mean-token-sum-norm
  fixedLength: (_, { sequences }, s) => 1 / (atLeastOne(sequences) * s.maxLength! * s.accumulationSteps),
  // 1/N_step           each token of the optimiser step counts the same   verl: token-mean with batch_num_tokens
  stepTokenMean: (_, { tokens }, s) => 1 / (s.totalTokens ?? atLeastOne(tokens) * s.accumulationSteps),
  // 1/(B·a)            long sequences count for more                      verl: seq-mean-token-sum
  sequenceSum: (_, { sequences }, s) => 1 / (atLeastOne(sequences) * s.accumulationSteps),
  // 1                  tokens are summed, not averaged                    verl: token-sum
  tokenSum: () => 1,
};

const atLeastOne = (count: number) => Math.max(count, 1);
