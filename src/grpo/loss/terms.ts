import type { Sequence } from "./batch";
import { offPolicyFactors, samplerRatios } from "./corrections";
import { type Choice, covarianceBand, highestCovariance } from "./covariance";
import { bounded, type Importance, importanceLevels } from "./importance";
import type { LossSettings } from "./loss-options";
import { objectives } from "./objective";

/** The policy's part of one sequence's loss, token by token, and its slopes (see `Term`). */
export interface PolicyTerms {
  readonly importance: Importance;
  readonly values: Float64Array;
  readonly dLogProbs: Float64Array;
  readonly dLogRatios: Float64Array;
  /** −1 if 1 − ε stopped the token, 1 if 1 + ε_high did. */
  readonly clipped: Int8Array;
}

/** Computes the objective's terms, changes some by their covariance, then multiplies with the corrections. */
export function policyTerms(
  sequences: readonly Sequence[],
  settings: LossSettings,
  entropyThreshold: number,
): readonly PolicyTerms[] {
  const terms = sequences.map((sequence) => objectiveTerms(sequence, settings));
  applyCovariance(sequences, terms, settings);
  for (const [i, sequence] of sequences.entries())
    for (const factors of correctionFactors(sequence, settings, entropyThreshold)) multiply(terms[i]!, factors);
  return terms;
}

function objectiveTerms(sequence: Sequence, settings: LossSettings): PolicyTerms {
  const { advantages, logProbs, oldLogProbs } = sequence;
  const ratios = importanceLevels[settings.importanceLevel](sequence, settings);
  const { logRatioBounds = [-20, 20] } = settings.loss;
  const importance = settings.boundLogRatios ? bounded(ratios, logRatioBounds) : ratios;
  const objective = objectives[settings.loss.objective](settings, sequence, innerLogRatio(sequence, settings));
  const values = new Float64Array(logProbs.length);
  const dLogProbs = new Float64Array(logProbs.length);
  const dLogRatios = new Float64Array(logProbs.length);
  const clipped = new Int8Array(logProbs.length);
  for (let k = 0; k < logProbs.length; k++) {
    const term = objective(advantages[k]!, logProbs[k]!, importance.logRatios[k]!, oldLogProbs[k]!);
    values[k] = term.value;
    dLogProbs[k] = term.dLogProb;
    dLogRatios[k] = term.dLogRatio;
    if (term.clipped !== "none") clipped[k] = term.clipped === "low" ? -1 : 1;
  }
  return { importance, values, dLogProbs, dLogRatios, clipped };
}

/**
 * vespo puts the sampler's ratio into its own weight, each token's within 1e-8 and e²⁰, instead of multiplying with it.
 */
function innerLogRatio(sequence: Sequence, { loss, corrections: { sampler } }: LossSettings): number {
  if (sampler === undefined || loss.objective !== "gammaWeighted") return 0;
  const withinBounds = (ratio: number) => Math.min(Math.max(Math.log(ratio), Math.log(1e-8)), 20);
  return samplerRatios(sequence, sampler).reduce((sum, ratio) => sum + withinBounds(ratio), 0);
}

function applyCovariance(sequences: readonly Sequence[], terms: readonly PolicyTerms[], settings: LossSettings): void {
  const { covariance: options, loss } = settings;
  if (loss.covariance === "drop") {
    const dropped = covarianceBand(sequences, options, (i, k) => terms[i]!.clipped[k] !== 0);
    for (const [i, row] of dropped.entries())
      multiply(
        terms[i]!,
        Float64Array.from(row, (mark) => 1 - mark),
      );
  }
  if (loss.covariance === "penalise") penalise(terms, highestCovariance(sequences, options), options.coefficient);
}

/** Adds c·|log r| to the chosen tokens. */
function penalise(terms: readonly PolicyTerms[], choice: Choice, coefficient: number): void {
  for (const [i, { importance, values, dLogRatios }] of terms.entries()) {
    for (const [k, mark] of choice[i]!.entries()) {
      if (mark === 0) continue;
      values[k]! += coefficient * Math.abs(importance.logRatios[k]!);
      dLogRatios[k]! += coefficient * Math.sign(importance.logRatios[k]!);
    }
  }
}

function correctionFactors(
  sequence: Sequence,
  { corrections, loss }: LossSettings,
  entropyThreshold: number,
): readonly Float64Array[] {
  const { offPolicyThreshold, topEntropy, sampler } = corrections;
  return [
    ...(offPolicyThreshold === undefined ? [] : [offPolicyFactors(sequence, offPolicyThreshold)]),
    ...(topEntropy === undefined ? [] : [sequence.entropies!.map((entropy) => (entropy >= entropyThreshold ? 1 : 0))]),
    ...(sampler === undefined || loss.objective === "gammaWeighted" ? [] : [samplerRatios(sequence, sampler)]),
  ];
}

function multiply({ values, dLogProbs, dLogRatios }: PolicyTerms, factors: Float64Array): void {
  for (let k = 0; k < factors.length; k++) {
    values[k]! *= factors[k]!;
    dLogProbs[k]! *= factors[k]!;
    dLogRatios[k]! *= factors[k]!;
  }
}
