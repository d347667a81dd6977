import { number, seed as seedOption, share as shareOption, specOf } from "../../options/spec";
import { createRng } from "../../rng";
import type { Sequence } from "./batch";

/**
 * Selects the tokens for clip_cov and kl_cov that drive the policy's entropy down, by (A − mean A)·(log π − mean log π)
 * (arXiv 2505.22617).
 */
export interface CovarianceOptions {
  /** Share of the batch's tokens that is held back (2e-4); at least one. */
  readonly share?: number;
  /** clip_cov: candidates have a covariance above this (1). */
  readonly above?: number;
  /** clip_cov: candidates have a covariance below this (5). */
  readonly below?: number;
  /** clip_cov: the seed that chooses among the candidates (0). */
  readonly seed?: number;
  /** kl_cov: the weight of these tokens' |log π − log π_old| in the loss (0.1). */
  readonly coefficient?: number;
}

export const covarianceSpec = specOf<CovarianceOptions>()(() => ({
  share: shareOption().default(2e-4).describe("Share of the batch's tokens that is held back; at least one"),
  above: number().default(1).describe("clip_cov: candidates have a covariance above this"),
  below: number().default(5).describe("clip_cov: candidates have a covariance below this"),
  seed: seedOption().default(0).describe("clip_cov: which of the candidates it is"),
  coefficient: number().default(0.1).describe("kl_cov: what |log π − log π_old| of these tokens costs"),
}));

/** Marks of the chosen tokens, a row for each sequence. */
export type Choice = readonly Uint8Array[];

/** kl_cov: the tokens of highest covariance. */
export function highestCovariance(sequences: readonly Sequence[], { share }: Required<CovarianceOptions>): Choice {
  const tokens = covariances(sequences);
  const ranked = tokens.sort((a, b) => b.covariance - a.covariance);
  return marks(sequences, ranked.slice(0, atLeastOne(share * tokens.length)));
}

/**
 * clip_cov: a random choice of the tokens within the band.
 * @param isClipped tells the tokens that the clip range stops already, which are not candidates
 */
export function covarianceBand(
  sequences: readonly Sequence[],
  { share, above, below, seed }: Required<CovarianceOptions>,
  isClipped: (i: number, k: number) => boolean,
): Choice {
  const tokens = covariances(sequences);
  const candidates = tokens.filter(
    ({ i, k, covariance }) => covariance > above && covariance < below && !isClipped(i, k),
  );
  const shuffled = createRng(seed, "clip_cov").shuffle(candidates);
  return marks(sequences, shuffled.slice(0, atLeastOne(share * tokens.length)));
}

interface Token {
  readonly i: number;
  readonly k: number;
  readonly covariance: number;
}

function covariances(sequences: readonly Sequence[]): Token[] {
  let [count, advantage, logProb] = [0, 0, 0];
  for (const { advantages, logProbs } of sequences) {
    count += logProbs.length;
    advantage += advantages.reduce((a, b) => a + b, 0);
    logProb += logProbs.reduce((a, b) => a + b, 0);
  }
  return sequences.flatMap(({ advantages, logProbs }, i) =>
    Array.from(logProbs, (value, k) => ({
      i,
      k,
      covariance: (advantages[k]! - advantage / count) * (value - logProb / count),
    })),
  );
}

function marks(sequences: readonly Sequence[], chosen: readonly Token[]): Choice {
  const rows = sequences.map(({ logProbs }) => new Uint8Array(logProbs.length));
  for (const { i, k } of chosen) rows[i]![k] = 1;
  return rows;
}

const atLeastOne = (count: number) => Math.max(Math.floor(count), 1);
