import type { SamplingOptions } from "../../engine/sampling/generate";
import { NonFiniteError } from "../../errors";

export interface TokenChoice extends Pick<SamplingOptions, "temperature" | "topK" | "topP" | "repetitionPenalty"> {
  /** Tokens that are never drawn. */
  readonly forbidden: readonly number[];
  /** Tokens that prompt or completion already have. */
  readonly seen: ReadonlySet<number>;
  /** In [0, 1), for inverse-CDF sampling. */
  readonly uniform: number;
}

export interface ChosenToken {
  readonly token: number;
  readonly logProb: number;
  readonly samplingLogProb: number;
  /** Absent if the temperature alone changes the model's distribution. */
  readonly temperedLogProb?: number;
}

/**
 * Draws the next token as the graphs of `onnxBackend` do: repetition penalty, forbidden tokens, temperature, top-k,
 * top-p. Only the likeliest tokens are ever sorted.
 * @param logits [vocabulary]
 * @throws NonFiniteError for logits that are not finite
 */
export function chooseToken(logits: Float32Array, choice: TokenChoice): ChosenToken {
  const { temperature, topK, topP, repetitionPenalty: penalty, forbidden, seen, uniform } = choice;
  const raw = softmaxOf(logits, 1);
  if (!Number.isFinite(raw.logTotal))
    throw new NonFiniteError(
      `generate: expected finite logits, got a total of ${raw.logTotal}; are the weights finite?`,
    );
  const allowed = logits.slice();
  for (const id of seen) allowed[id] = penalised(logits[id]!, penalty);
  for (const id of forbidden) allowed[id] = Number.NEGATIVE_INFINITY;
  const isLikeliest = temperature !== 0 && (topP < 1 || topK < Number.POSITIVE_INFINITY);
  const { weights, total, logTotal } = softmaxOf(allowed, temperature || 1);
  const { token, mass } =
    temperature === 0
      ? { token: allowed.indexOf(largestOf(allowed)), mass: total }
      : isLikeliest
        ? drawLikeliest(weights, total, topK, topP, uniform)
        : { token: firstAbove(weights, uniform * total), mass: total };
  const reshapes = isLikeliest || penalty !== 1;
  const tempered = reshapes ? (temperature === 1 ? raw : softmaxOf(logits, temperature || 1)) : undefined;
  return {
    token,
    logProb: atMostZero(logits[token]! - raw.logTotal),
    samplingLogProb: atMostZero(allowed[token]! / (temperature || 1) - logTotal - Math.log(mass / total)),
    ...(tempered && { temperedLogProb: atMostZero(logits[token]! / (temperature || 1) - tempered.logTotal) }),
  };
}

/** Rounding may leave a probability slightly above 1. */
const atMostZero = (logProb: number) => Math.min(logProb, 0);

const penalised = (logit: number, penalty: number) => (logit < 0 ? logit * penalty : logit / penalty);

function largestOf(values: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > largest) largest = value;
  return largest;
}

/** exp(x / temperature − largest), their total, and log Σ exp(x / temperature). */
function softmaxOf(values: Float32Array, temperature: number) {
  const largest = largestOf(values);
  const weights = new Float64Array(values.length);
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    const weight = Math.exp((values[i]! - largest) / temperature);
    weights[i] = weight;
    total += weight;
  }
  return { weights, total, logTotal: largest / temperature + Math.log(total) };
}

/** The first token at which the running sum exceeds `target`; it always has weight. */
function firstAbove(weights: Float64Array, target: number): number {
  let sum = 0;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    sum += weights[i]!;
    last = i;
    if (sum > target) return i;
  }
  return last;
}

/** Draws from the first topK tokens in falling order, while the sum before each is less than topP of their sum. */
function drawLikeliest(weights: Float64Array, total: number, topK: number, topP: number, uniform: number) {
  const sorted = likeliest(weights, topK, topP * total);
  const first = sorted.subarray(0, Math.min(topK, sorted.length));
  // Without topK, the tokens that were not sorted count too.
  const whole = topK === Number.POSITIVE_INFINITY ? total : first.reduce((a, b) => a + b, 0);
  let [mass, count] = [0, 0];
  while (count < first.length && (count === 0 || mass < topP * whole)) mass += first[count++]!;
  const place = firstAbove(first.subarray(0, count), uniform * mass);
  // The lower token comes first among equal weights.
  let before = place - first.indexOf(first[place]!);
  let token = weights.indexOf(first[place]!);
  for (; before > 0; before--) token = weights.indexOf(first[place]!, token + 1);
  return { token, mass };
}

/** The largest weights, falling: at least `count` of them, or, if there is no such limit, a sum of at least `mass`. */
function likeliest(weights: Float64Array, count: number, mass: number): Float64Array {
  const found = new Float64Array(weights.length);
  // The largest weight is 1.
  for (let least = 1 / 16; ; least /= 16) {
    let [length, sum] = [0, 0];
    for (const weight of weights)
      if (weight >= least && weight > 0) {
        found[length++] = weight;
        sum += weight;
      }
    const isEnough = count === Number.POSITIVE_INFINITY ? sum >= mass : length >= count;
    if (isEnough || least === 0) return found.subarray(0, length).sort().reverse();
  }
}
