import { detectionSimilarity } from "../similarity/boxes";
import type { Box } from "../types";
import { meanOver, type Outcome } from "./outcome";

/**
 * Mean over examples of the matched IoU per box, Σ IoU / max(N_g, N_pred): as an evaluation it lets no box be free, neither
 * one missed nor one too many. An answer that does not parse counts 0.
 *
 * @throws DataError for no examples
 */
export function meanIou(outcomes: readonly Outcome<readonly Box[]>[]): number {
  return meanOver("meanIou", outcomes, ({ truth, prediction }) =>
    prediction === null ? 0 : detectionSimilarity(truth, prediction, { denominator: "max" }),
  );
}
