import { DataError } from "../errors";
import { checkArguments, objectKind, objectOrNullKind } from "../options/arguments";
import { shown } from "../options/display";
import { choice, readOptions, specOf } from "../options/spec";
import { hasMass, probabilityOf, total, unionOfLabels } from "../similarity/distribution";
import type { LabelDistribution } from "../types";
import { meanOver, type Outcome, outcomesKind } from "./outcome";

export const jsdSpec = specOf<{ readonly unit?: "nats" | "bits" }>()(() => ({
  unit: choice(["nats", "bits"]).default("nats").describe("The unit: nats, up to ln 2, or bits, up to 1"),
}));

/**
 * The Jensen–Shannon divergence, JSD(P, Q) = ½ KLD(P ‖ M) + ½ KLD(Q ‖ M),  M = (P + Q) / 2, both renormalised first.
 *
 * @param prediction has the worst value if it is `null`, has no mass, or a probability below 0
 * @param options the unit: `"nats"`, in [0, ln 2], or `"bits"`, in [0, 1]
 * @throws DataError for a truth without mass, or with a probability below 0; ConfigError for an unknown unit
 * Source: RISE, Eq. 11 (nats).
 * @example
 * jensenShannonDivergence({ joy: 1, fear: 0 }, { joy: 0, fear: 1 }, { unit: "bits" }); // 1
 */
export function jensenShannonDivergence(
  truth: LabelDistribution,
  prediction: LabelDistribution | null,
  options: { readonly unit?: "nats" | "bits" } = {},
): number {
  const kinds = { truth: objectKind, prediction: objectOrNullKind };
  checkArguments("jensenShannonDivergence", { truth, prediction }, kinds);
  const { unit } = readOptions("jensenShannonDivergence", options, jsdSpec);
  const nats = divergence(truth, prediction);
  return unit === "bits" ? nats / Math.LN2 : nats;
}

/**
 * Mean JSD over examples, the Emotion6 columns of Tables 1 and 3–6.
 * @example
 * meanJensenShannonDivergence([{ truth: { joy: 1, fear: 0 }, prediction: null }]); // ln 2
 */
export function meanJensenShannonDivergence(
  outcomes: readonly Outcome<LabelDistribution>[],
  options: { readonly unit?: "nats" | "bits" } = {},
): number {
  checkArguments("meanJensenShannonDivergence", { outcomes }, { outcomes: outcomesKind });
  return meanOver("meanJensenShannonDivergence", outcomes, ({ truth, prediction }) =>
    jensenShannonDivergence(truth, prediction, options),
  );
}

function divergence(truth: LabelDistribution, prediction: LabelDistribution | null): number {
  if (!hasMass(truth))
    throw new DataError(
      `jensenShannonDivergence: expected a truth with a positive finite sum and no number below 0, got ${shown(truth)}`,
    );
  if (prediction === null || !hasMass(prediction)) return Math.LN2;
  const [truthMass, mass] = [total(truth), total(prediction)];
  let sum = 0;
  for (const label of unionOfLabels(truth, prediction)) {
    const p = probabilityOf(truth, label) / truthMass;
    const q = probabilityOf(prediction, label) / mass;
    // x ln x goes to 0 with x, so zeros need no substitute here.
    if (p > 0) sum += 0.5 * p * Math.log((2 * p) / (p + q));
    if (q > 0) sum += 0.5 * q * Math.log((2 * q) / (p + q));
  }
  return Math.min(Math.LN2, Math.max(0, sum));
}
