import { readOptions } from "../options/spec";
import { createRng } from "../rng";
import { type ResamplingOptions, resamplingSpec } from "./bootstrap";

/**
 * The probability that chance alone makes two systems differ as much as they do, either way: their results for an
 * example are exchanged or not, and p is the share of exchanges after which |difference| is at least as large as
 * before. For a difference of means it is the sign-flip test.
 *
 *     p = (1 + #{|d*| ≥ |d|}) / (1 + resamples),  or exact, over all 2ⁿ exchanges, if these are at most `resamples`
 *
 * @param difference the difference after the examples that are marked 1 were exchanged
 * Source: approximate randomisation, Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989, section 2.3; the
 * 1 + as in Phipson & Smyth 2010.
 */
export function exchangePValue(
  size: number,
  difference: (isExchanged: Uint8Array) => number,
  options: ResamplingOptions = {},
): number {
  const { resamples, seed } = readOptions("exchangePValue", options, resamplingSpec);
  const isExchanged = new Uint8Array(size);
  // Sums in another order differ in the last digits.
  const observed = Math.abs(difference(isExchanged)) * (1 - 1e-12);
  const isExact = 2 ** size <= resamples;
  const draws = isExact ? 2 ** size : resamples;
  const rng = createRng(seed, "exchange");
  let extreme = 0;
  for (let draw = 0; draw < draws; draw++) {
    for (let i = 0; i < size; i++) isExchanged[i] = isExact ? (draw >> i) & 1 : rng.integer(2);
    // An undefined difference is not evidence.
    if (!(Math.abs(difference(isExchanged)) < observed)) extreme++;
  }
  return isExact ? extreme / draws : (1 + extreme) / (1 + draws);
}
