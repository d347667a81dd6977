import { ConfigError } from "../errors";
import { checkArguments, objectKind } from "../options/arguments";
import { shown } from "../options/display";
import { once } from "../options/once";
import { choice, count, readArgument, readOptions, specOf } from "../options/spec";
import type { LabelDistribution } from "../types";

/** Replaces a zero probability under a logarithm, as in the paper. */
export const EPSILON = 1e-10;

/** Options of `classificationSimilarity`. */
export interface ClassificationSimilarityOptions {
  /** "asPrinted" takes KLD on raw values and clamps S to [0, 1] ("renormalised"). */
  readonly kl?: "renormalised" | "asPrinted";
}

export const classificationSimilaritySpec = specOf<ClassificationSimilarityOptions>()(() => ({
  kl: choice(["renormalised", "asPrinted"]).default("renormalised").describe("KLD of the shapes, or of the raw values"),
}));

/**
 * Similarity of two distributions over labels:
 *
 * S(A, Â) = φ · exp(−|log₁₀ (ΣÂ / ΣA)|), φ = exp(−(KLD(A ‖ Â) + MSE(A, Â)))
 *
 * As printed, KLD is not a divergence when ΣÂ ≠ 1: it can be negative, and a doubled uniform prediction would earn
 * 1.45. So by default KLD compares the shapes (both renormalised) while the sum term and the MSE, on raw values, still
 * punish ΣÂ ≠ 1: S ≤ 1, with equality only at Â = A. The two agree whenever ΣÂ = ΣA.
 *
 * The default renormalises first and sets zeros to 1e-10 last, so that KLD does not depend on the scale of Â: it is the
 * same for {joy: 9} and {joy: 0.9}. `referenceReward` follows the published code, which sets zeros first.
 *
 * @param truth A; a missing label is 0
 * @param prediction Â; a missing label is 0, values need not sum to 1
 * @param options.kl `"asPrinted"` takes KLD on raw values and clamps S to [0, 1]
 * @returns S in [0, 1]
 * @throws ConfigError for an unknown `kl`
 * Source: RISE, Eqs. 2–5. Departures: renormalised KLD; ΣA in the sum term, for annotations rounded to 0.99 or 1.01.
 * @example
 * classificationSimilarity({ joy: 0.9, fear: 0.1 }, { joy: 0.8, fear: 0.2 });
 */
export function classificationSimilarity(
  truth: LabelDistribution,
  prediction: LabelDistribution,
  options: ClassificationSimilarityOptions = {},
): number {
  checkArguments("classificationSimilarity", { truth, prediction }, { truth: objectKind, prediction: objectKind });
  const { kl } = readOptions("classificationSimilarity", options, classificationSimilaritySpec);
  return Math.min(1, Math.max(0, unclampedSimilarity(truth, prediction, kl)));
}

/** Eqs. 2–5 before the clamp, which only the as-printed variant needs. */
export function unclampedSimilarity(
  truth: LabelDistribution,
  prediction: LabelDistribution,
  kl: "renormalised" | "asPrinted",
): number {
  // Without mass, with an infinite sum, or with a number below 0, it is as far from a distribution as possible.
  if (!hasMass(prediction) || !hasMass(truth)) return 0;
  const compare =
    kl === "renormalised" ? (d: LabelDistribution) => renormalise(d, "distribution") : (d: LabelDistribution) => d;
  const divergence = klDivergence(compare(truth), compare(prediction));
  return Math.exp(
    -(divergence + meanSquaredError(truth, prediction)) - Math.abs(Math.log10(total(prediction) / total(truth))),
  );
}

/** Mean over all labels of (P(j) − Q(j))². Source: RISE, Eq. 5. */
export function meanSquaredError(p: LabelDistribution, q: LabelDistribution): number {
  const labels = unionOfLabels(p, q);
  return (
    labels.reduce((sum, label) => sum + (probabilityOf(p, label) - probabilityOf(q, label)) ** 2, 0) / labels.length
  );
}

/**
 * The Kullback–Leibler divergence, KLD(P ‖ Q) = Σ P(j) · ln(P(j) / Q(j)), with zeros set to 1e-10.
 *
 * @returns nats; negative only when P and Q have different sums
 * @throws ConfigError for a probability that is NaN or below 0
 * Source: RISE, Eq. 4.
 * @example
 * klDivergence({ joy: 0.9, fear: 0.1 }, { joy: 0.5, fear: 0.5 }); // 0.368
 */
export function klDivergence(p: LabelDistribution, q: LabelDistribution): number {
  checkArguments("klDivergence", { p, q }, { p: objectKind, q: objectKind });
  for (const [label, value] of [...Object.entries(p), ...Object.entries(q)])
    if (!(value >= 0)) throw new ConfigError(`klDivergence: expected numbers of at least 0, got ${value} for ${label}`);
  let sum = 0;
  for (const label of unionOfLabels(p, q)) {
    const a = probabilityOf(p, label) || EPSILON;
    const b = probabilityOf(q, label) || EPSILON;
    // Not log(a / b): the quotient of parsed numbers may underflow.
    sum += a * (Math.log(a) - Math.log(b));
  }
  return sum;
}

/**
 * Scales a distribution to sum 1.
 * @throws ConfigError when nothing has positive mass
 */
export function renormalise(distribution: LabelDistribution, where: string): LabelDistribution {
  const sum = total(distribution);
  if (!(sum > 0) || !Number.isFinite(sum))
    throw new ConfigError(`${where}: expected a positive finite sum, got ${sum}`);
  return mapValues(distribution, (value) => value / sum);
}

/**
 * Rounds to the nearest distribution with `decimals` places that sums to exactly 1 (largest remainders are rounded up),
 * so that an annotation averaged over raters becomes a short answer that a model can write.
 *
 * @param distribution any non-negative values with a positive sum
 * @param decimals 15 at most
 * @throws ConfigError when nothing has positive mass, or a value is below 0
 * @example
 * roundDistribution({ joy: 2, fear: 1 }); // { joy: 0.67, fear: 0.33 }
 */
export function roundDistribution(distribution: LabelDistribution, decimals = 2): LabelDistribution {
  checkArguments("roundDistribution", { distribution }, { distribution: objectKind });
  readArgument("roundDistribution", "decimals", decimals, places());
  const negative = Object.entries(distribution).find(([, value]) => !(value >= 0));
  if (negative)
    throw new ConfigError(
      `roundDistribution: expected numbers of at least 0, got ${shown(negative[1])} for ${negative[0]}`,
    );
  const steps = 10 ** decimals;
  const scaled = Object.entries(renormalise(distribution, "roundDistribution()'s distribution")).map(
    ([label, value]) => ({ label, floor: Math.floor(value * steps), rest: (value * steps) % 1 }),
  );
  const missing = steps - scaled.reduce((sum, { floor }) => sum + floor, 0);
  const roundUp = new Set([...scaled].sort((a, b) => b.rest - a.rest).slice(0, missing));
  return Object.fromEntries(scaled.map((entry) => [entry.label, (entry.floor + (roundUp.has(entry) ? 1 : 0)) / steps]));
}

/** A double has no more places. */
const places = once(() => count(0).max(15, "a whole number from 0 to 15"));

export function total(distribution: LabelDistribution): number {
  return Object.values(distribution).reduce((sum, value) => sum + value, 0);
}

/** Whether a sum is 1, give or take a hundredth: ratings are rounded to two decimals. */
export const isNearOne = (sum: number): boolean => Math.abs(sum - 1) <= 0.01 + 1e-9;

/** Whether there are only numbers of at least 0, with a positive finite sum. */
export function hasMass(distribution: LabelDistribution): boolean {
  const sum = total(distribution);
  return sum > 0 && sum < Number.POSITIVE_INFINITY && Object.values(distribution).every((value) => value >= 0);
}

/** A label's probability; 0 for a label that is not mentioned, even if its name is "constructor". */
export function probabilityOf(distribution: LabelDistribution, label: string): number {
  return Object.hasOwn(distribution, label) ? distribution[label]! : 0;
}

export function unionOfLabels(a: LabelDistribution, b: LabelDistribution): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])];
}

/** `fromEntries` instead of assignment allows a label with the name "__proto__". */
function mapValues(distribution: LabelDistribution, change: (value: number) => number): LabelDistribution {
  return Object.fromEntries(Object.entries(distribution).map(([label, value]) => [label, change(value)]));
}
