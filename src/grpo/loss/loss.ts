import { aggregations } from "./aggregation";
import { type GrpoBatch, readBatch, type Sequence } from "./batch";
import { entropyBonus, entropyThreshold } from "./entropy";
import { klEstimators } from "./kl";
import { type GrpoLossOptions, type LossSettings, lossSettings } from "./loss-options";
import { type GrpoMetrics, lossMetrics } from "./metrics";
import { type PolicyTerms, policyTerms } from "./terms";

export type { GrpoLossOptions } from "./loss-options";
export type { GrpoLossType } from "./loss-types";

/** The loss of a batch, its gradient, and metrics. */
export interface GrpoLoss {
  readonly loss: number;
  /** ∂L/∂logProbs, rows as in the batch; 0 at masked tokens. */
  readonly gradient: Float64Array[];
  /** ∂L/∂entropies, with an entropy bonus; a trainer that ignores it trains without the bonus. */
  readonly entropyGradient?: Float64Array[];
  readonly metrics: GrpoMetrics;
}

/**
 * The GRPO loss over sampled completions, and its gradient with respect to their log-probabilities:
 *
 * L = Σᵢ wᵢ Σₜ mᵢₜ (ℓᵢₜ + β·KLᵢₜ), r = exp(log π_θ − log π_old)
 *
 * where, for grpo, ℓ = −min(r·A, clip(r, 1 − ε, 1 + ε_high)·A) and wᵢ = 1/(B·Lᵢ): the mean over B sequences of the mean
 * over their Lᵢ tokens. The other losses keep this form and change ℓ, w, or what r is the ratio of:
 *
 *   bnpo     w = 1/ΣLᵢ                    dapo     w = 1/(tokens of the optimiser step)
 *   dr_grpo  w = 1/(B·maxLength)          luspo    w = 1/B
 *   cispo    ℓ = −sg[min(r, ε_high)]·A·log π_θ, w as dapo
 *   sapo     ℓ = −A·(4/τ)·σ(τ(r − 1)), w as grpo
 *   vespo    ℓ = −sg[φ(sequence ratio)]·A·log π_θ, w as dapo
 *   rloo     r = exp Σₜ(log π_θ − log π_old), w as grpo
 *   gspo     r = the geometric mean of the tokens' ratios, w as bnpo
 *   dppo_tv, dppo_kl   ℓ = −sg[min(r, δ)]·A·log π_θ near the token's old probability, else 0; w as bnpo
 *   dro      ℓ = −A·log π_θ + β/2·(log r)², w as bnpo
 *
 * and verl's geo_mean, gpg, cispo_verl, clip_cov and kl_cov likewise. gspo is verl's: "sequenceMean" is the paper's way
 * to add up. Corrections are factors of ℓ, and c·mean entropy is subtracted from L.
 *
 * While the current policy is the one that sampled, r = 1 and only the gradient is informative: the loss is 0 if the
 * advantages cancel.
 *
 * @example
 * const { loss, gradient } = grpoLoss({ logProbs, oldLogProbs, advantages }, grpoPresets.verl.loss);
 * @throws ShapeError when rows do not fit together or there are none
 * @throws ConfigError when an option, an advantage or a mask value is out of range
 * @throws TrainingError when a log-probability is NaN or infinite
 * Source: DeepSeekMath (arXiv 2402.03300) Eq. 3; Dr. GRPO 2503.20783; DAPO 2503.14476; GSPO 2507.18071. DPPO
 * 2602.04879. Figures as TRL 1.16 and verl 0.9.1.
 */
export function grpoLoss(batch: GrpoBatch, options: GrpoLossOptions = {}): GrpoLoss {
  const settings = lossSettings(options, batch);
  const { corrections, entropyCoefficient, accumulationSteps } = settings;
  const sequences = readBatch(batch);
  const threshold = corrections.topEntropy ? entropyThreshold(sequences, corrections.topEntropy) : -Infinity;
  const terms = policyTerms(sequences, settings, threshold);
  const weightOf = tokenWeights(sequences, settings);

  let [loss, kl] = [0, 0];
  const gradient = sequences.map((sequence, i) => {
    const weight = weightOf(sequence);
    kl += addKl(sequence, terms[i]!, settings);
    loss += weight * sum(terms[i]!.values);
    return towardsLogProbs(sequence, terms[i]!, weight);
  });
  const metrics = lossMetrics(sequences, terms, batch.refLogProbs && kl);
  if (entropyCoefficient === 0) return { loss, gradient, metrics };
  const bonus = entropyBonus(sequences, threshold, entropyCoefficient / accumulationSteps);
  return { loss: loss + bonus.loss, gradient, entropyGradient: bonus.gradient, metrics };
}

function tokenWeights(sequences: readonly Sequence[], settings: LossSettings): (sequence: Sequence) => number {
  const lengths = sequences.map(({ positions }) => positions.length);
  const isSkipping = settings.skipEmpty && !settings.loss.countsEmpty;
  const size = {
    sequences: isSkipping ? lengths.filter((length) => length > 0).length : lengths.length,
    tokens: lengths.reduce((a, b) => a + b, 0),
  };
  return ({ positions }) => aggregations[settings.aggregation](positions.length, size, settings);
}

/** Adds β·KL to each token's loss, and returns the sum of KL. */
function addKl(sequence: Sequence, terms: PolicyTerms, settings: LossSettings): number {
  const { logProbs, refLogProbs } = sequence;
  if (refLogProbs === undefined) return 0;
  const { klCoefficient, klImportanceWeight } = settings;
  const estimate = klEstimators[settings.klEstimator];
  let divergence = 0;
  for (let k = 0; k < logProbs.length; k++) {
    const { value, dLogProb } = estimate(refLogProbs[k]! - logProbs[k]!);
    const ratio = klImportanceWeight ? Math.exp(terms.importance.logRatios[k]!) : 1;
    divergence += ratio * value;
    terms.values[k]! += klCoefficient * ratio * value;
    terms.dLogProbs[k]! += klCoefficient * ratio * dLogProb;
    if (klImportanceWeight) terms.dLogRatios[k]! += klCoefficient * ratio * value;
  }
  return divergence;
}

/** The gradient of one sequence's part of the loss, at its tokens' positions in the row. */
function towardsLogProbs(sequence: Sequence, terms: PolicyTerms, weight: number): Float64Array {
  const gradient = new Float64Array(sequence.tokens);
  const throughRatios = terms.importance.pullback(terms.dLogRatios);
  for (let k = 0; k < sequence.positions.length; k++)
    gradient[sequence.positions[k]!] = weight * (terms.dLogProbs[k]! + throughRatios[k]!);
  return gradient;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let k = 0; k < values.length; k++) total += values[k]!;
  return total;
}
