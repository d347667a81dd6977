import { ConfigError } from "../errors";
import { type AggregationName, aggregations } from "./aggregation";
import { type GrpoBatch, readBatch, type Sequence } from "./batch";
import { type KlEstimatorName, klEstimators } from "./kl";
import { clipMetrics, type GrpoMetrics, type SequenceCounts } from "./metrics";
import { type ObjectiveName, objectives } from "./objective";

export type GrpoLossType = "grpo" | "bnpo" | "dr_grpo" | "dapo" | "cispo" | "sapo" | "luspo" | "vespo";

export interface GrpoLossOptions {
  /** Which published loss ("grpo"). */
  readonly lossType?: GrpoLossType;
  /** One ratio for each token, or the geometric mean of a sequence's ratios for all its tokens, as in GSPO ("token"). */
  readonly importanceLevel?: "token" | "sequence";
  /** ε: a ratio below 1 − ε earns nothing more (0.2). */
  readonly clipEpsilon?: number;
  /** ε_high: the same above 1 + ε_high (ε; DAPO: 0.28). For cispo it is the cap on the ratio itself, and has to be given (5). */
  readonly clipEpsilonHigh?: number;
  /** δ: bounds the ratio where A < 0, which the clip leaves unbounded (∞). */
  readonly delta?: number;
  /** β: the weight of KL(π ‖ π_ref) (0). */
  readonly klCoefficient?: number;
  /** With or without the importance ratio as a factor ("k3": without). */
  readonly klEstimator?: KlEstimatorName;
  /** dr_grpo: tokens a completion can have at most. */
  readonly maxLength?: number;
  /** Batches whose gradients are added up before one optimiser step (1). */
  readonly accumulationSteps?: number;
  /** dapo, cispo, vespo: unmasked tokens in all batches of the optimiser step (accumulationSteps times this batch's). */
  readonly totalTokens?: number;
}

export interface GrpoLoss {
  readonly loss: number;
  /** ∂L/∂logProbs, rows as in the batch; 0 at masked tokens. */
  readonly gradient: Float64Array[];
  readonly metrics: GrpoMetrics;
}

/**
 * The GRPO loss over sampled completions, and its gradient with respect to their log-probabilities:
 *
 * L = Σᵢ wᵢ Σₜ mᵢₜ (ℓᵢₜ + β·KLᵢₜ),  r = exp(log π_θ − log π_old)
 *
 * where, for grpo, ℓ = −min(r·A, clip(r, 1 − ε, 1 + ε_high)·A) and wᵢ = 1/(B·Lᵢ): the mean over B sequences of the mean over
 * their Lᵢ tokens. The other losses keep this form and change ℓ or w:
 *
 *   bnpo     w = 1/ΣLᵢ                    dapo     w = 1/(tokens of the optimiser step)
 *   dr_grpo  w = 1/(B·maxLength)          luspo    w = 1/B
 *   cispo    ℓ = −sg[min(r, ε_high)]·A·log π_θ, w as dapo
 *   sapo     ℓ = −A·(4/τ)·σ(τ(r − 1)), w as grpo
 *   vespo    ℓ = −sg[φ(sequence ratio)]·A·log π_θ, w as dapo
 *
 * While the current policy is the one that sampled, r = 1 and the loss says nothing (0 where advantages cancel); the gradient does.
 *
 * @throws ShapeError when rows do not fit together or there are none
 * @throws ConfigError when an option, an advantage or a mask value is out of range
 * @throws TrainingError when a log-probability is NaN or infinite
 * Source: DeepSeekMath (arXiv 2402.03300) Eq. 3; Dr. GRPO 2503.20783; DAPO 2503.14476; GSPO 2507.18071. Figures as TRL 1.13.
 */
export function grpoLoss(batch: GrpoBatch, options: GrpoLossOptions = {}): GrpoLoss {
  const settings = withDefaults(options);
  const sequences = readBatch(batch);
  if (settings.klCoefficient !== 0 && batch.refLogProbs === undefined) {
    throw new ConfigError(
      `grpoLoss: expected refLogProbs, because klCoefficient is ${settings.klCoefficient}; got none`,
    );
  }
  const size = {
    sequences: sequences.length,
    tokens: sequences.reduce((sum, { positions }) => sum + positions.length, 0),
  };
  const aggregation = aggregations[lossTypes[settings.lossType].aggregation];

  let loss = 0;
  const gradient: Float64Array[] = [];
  const counts: SequenceCounts[] = [];
  for (const sequence of sequences) {
    const weight = aggregation(sequence.positions.length, size, settings);
    const sum = sequenceSum(sequence, settings);
    loss += weight * sum.loss;
    gradient.push(sum.gradient.map((derivative) => weight * derivative));
    counts.push(sum.counts);
  }
  return { loss, gradient, metrics: clipMetrics(counts, batch.refLogProbs !== undefined) };
}

/** A loss is a per-token objective and the weight its tokens get. */
const lossTypes: {
  readonly [L in GrpoLossType]: { readonly objective: ObjectiveName; readonly aggregation: AggregationName };
} = {
  grpo: { objective: "clipped", aggregation: "sequenceMean" },
  bnpo: { objective: "clipped", aggregation: "tokenMean" },
  dr_grpo: { objective: "clipped", aggregation: "fixedLength" },
  dapo: { objective: "clipped", aggregation: "stepTokenMean" },
  luspo: { objective: "clipped", aggregation: "sequenceSum" },
  cispo: { objective: "cappedReinforce", aggregation: "stepTokenMean" },
  sapo: { objective: "softGate", aggregation: "sequenceMean" },
  vespo: { objective: "gammaWeighted", aggregation: "stepTokenMean" },
};

/** From each token's log-ratio to the one it is weighed by. Both maps are linear and symmetric, so each also carries gradients back. */
const importanceLevels: { readonly [L in "token" | "sequence"]: (values: Float64Array) => Float64Array } = {
  token: (values) => values,
  sequence: (values) =>
    new Float64Array(values.length).fill(values.reduce((sum, value) => sum + value, 0) / values.length),
};

/** Σₜ (ℓₜ + β·KLₜ) of one sequence, and its gradient. */
function sequenceSum(sequence: Sequence, settings: Settings) {
  const { positions, logProbs, refGaps } = sequence;
  const spread = importanceLevels[settings.importanceLevel];
  const objective = objectives[lossTypes[settings.lossType].objective](sequence, settings);
  const divergence = klEstimators[settings.klEstimator];
  const logRatios = spread(sequence.logRatios);

  let loss = 0;
  const counts = { tokens: positions.length, low: 0, high: 0, kl: 0 };
  const dLogProbs = new Float64Array(positions.length);
  const dLogRatios = new Float64Array(positions.length);
  for (const [k, logProb] of logProbs.entries()) {
    const policy = objective(logProb, logRatios[k]!);
    loss += policy.value;
    dLogProbs[k] = policy.dLogProb;
    dLogRatios[k] = policy.dLogRatio;
    if (policy.clipped !== "none") counts[policy.clipped] += 1;
    if (refGaps === undefined) continue;
    const kl = divergence(refGaps[k]!, logRatios[k]!);
    loss += settings.klCoefficient * kl.value;
    dLogProbs[k] += settings.klCoefficient * kl.dLogProb;
    dLogRatios[k] += settings.klCoefficient * kl.dLogRatio;
    counts.kl += kl.value;
  }

  const gradient = new Float64Array(sequence.tokens);
  const throughRatios = spread(dLogRatios);
  for (const [k, position] of positions.entries()) gradient[position] = dLogProbs[k]! + throughRatios[k]!;
  return { loss, gradient, counts };
}

type Settings = ReturnType<typeof withDefaults>;

function withDefaults({
  lossType = "grpo",
  importanceLevel = "token",
  clipEpsilon = 0.2,
  clipEpsilonHigh,
  delta = Number.POSITIVE_INFINITY,
  klCoefficient = 0,
  klEstimator = "k3",
  maxLength,
  accumulationSteps = 1,
  totalTokens,
}: GrpoLossOptions) {
  oneOf("lossType", lossType, lossTypes);
  oneOf("importanceLevel", importanceLevel, importanceLevels);
  oneOf("klEstimator", klEstimator, klEstimators);
  if (lossType === "dr_grpo" && maxLength === undefined)
    throw new ConfigError("grpoLoss: dr_grpo expects maxLength, got none");
  if (lossType === "cispo" && clipEpsilonHigh === undefined) {
    throw new ConfigError("grpoLoss: cispo expects clipEpsilonHigh, its cap on the ratio (5 is usual), got none");
  }
  const atLeastZero = { clipEpsilon, clipEpsilonHigh, klCoefficient };
  for (const [name, value] of Object.entries(atLeastZero)) {
    if (value !== undefined && !(value >= 0)) throw new ConfigError(`grpoLoss: expected ${name} ≥ 0, got ${value}`);
  }
  const positive = { delta, maxLength, accumulationSteps, totalTokens };
  for (const [name, value] of Object.entries(positive)) {
    if (value !== undefined && !(value > 0)) throw new ConfigError(`grpoLoss: expected ${name} > 0, got ${value}`);
  }
  return {
    lossType,
    importanceLevel,
    clipEpsilon,
    clipEpsilonHigh: clipEpsilonHigh ?? clipEpsilon,
    delta,
    klCoefficient,
    klEstimator,
    // Only dr_grpo divides by it, and dr_grpo has been made sure of above.
    maxLength: maxLength ?? 1,
    accumulationSteps,
    totalTokens,
  };
}

function oneOf(name: string, value: string, table: object): void {
  if (!Object.hasOwn(table, value)) {
    throw new ConfigError(`grpoLoss: expected ${name} to be one of ${Object.keys(table).join(", ")}; got "${value}"`);
  }
}
