import { ConfigError } from "../errors";
import { checkArguments, fieldsKind, listKind, numberKind, textKind } from "../options/arguments";
import { number, readOptions, share, specOf, count as wholeNumber } from "../options/spec";

/** The parts of a rollout that decide which one is kept. */
export type Judged = { readonly cot: { readonly text: string }; readonly reward: { readonly reward: number } };

/** Options of `selectHighQuality`. */
export interface FilterOptions {
  /** τ: keeps rewards of at least this (0.75, or no limit when `fraction` or `topK` is given). */
  readonly threshold?: number;
  /** Keeps this share of the rows, the best, rounded up. */
  readonly fraction?: number;
  /** Keeps this many rows, the best. */
  readonly topK?: number;
}

export const selectHighQualitySpec = specOf<FilterOptions>()(() => ({
  threshold: number().optional().describe("τ: keeps rewards of at least this; 0.75, or none beside fraction or topK"),
  fraction: share().optional().describe("Keeps this share of the rows, the best, rounded up"),
  topK: wholeNumber().optional().describe("Keeps this many rows, the best"),
}));

/**
 * Selects D_high = {rows with r ≥ τ}, the cots good enough to learn from.
 *
 * A threshold given together with `fraction` or `topK` applies too. Between equal rewards the earlier row wins.
 *
 * @returns the kept rows in their old order
 * @throws ConfigError for `fraction` and `topK` together, or values out of range
 * Source: RISE, Eq. 8's data; τ = 0.75 from Table 6.
 * @example
 * selectHighQuality(cots, { fraction: 0.5 });
 */
export function selectHighQuality<Row extends { readonly reward: number }>(
  rows: readonly Row[],
  options: FilterOptions = {},
): Row[] {
  checkArguments("selectHighQuality", { rows }, { rows: rowsKind });
  const { threshold, fraction, topK } = readOptions("selectHighQuality", options, selectHighQualitySpec);
  if (fraction !== undefined && topK !== undefined)
    throw new ConfigError("selectHighQuality: expected fraction or topK, got both");
  const isRanked = fraction !== undefined || topK !== undefined;
  const least = threshold ?? (isRanked ? Number.NEGATIVE_INFINITY : 0.75);
  // 0.07 · 100 is slightly more than 7 in floating point.
  const count = topK ?? Math.max(1, Math.ceil((fraction ?? 1) * rows.length - 1e-9));
  // Places, since a list may hold one row several times.
  const good = [...rows.keys()].filter((i) => rows[i]!.reward >= least);
  const best = good.sort((i, j) => rows[j]!.reward - rows[i]!.reward).slice(0, count);
  return best.sort((i, j) => i - j).map((i) => rows[i]!);
}

const rowsKind = listKind(fieldsKind({ reward: numberKind }));
const judgedKind = fieldsKind({ cot: fieldsKind({ text: textKind }), reward: fieldsKind({ reward: numberKind }) });

/**
 * Finds a group's rollout with the highest reward: (R*, r) of D_RISE. Ties go to the shorter cot, then to the earlier.
 * @throws ConfigError for an empty group
 * @example
 * const { cot, reward } = bestRollout(group);
 */
export function bestRollout<R extends Judged>(rollouts: readonly R[]): R {
  checkArguments("bestRollout", { rollouts }, { rollouts: listKind(judgedKind) });
  const [first, ...others] = rollouts;
  if (!first) throw new ConfigError("bestRollout: expected at least one rollout, got none");
  return others.reduce((best, rollout) => (isBetter(rollout, best) ? rollout : best), first);
}

/** A reward that is NaN is worse than any number. */
function isBetter(a: Judged, b: Judged): boolean {
  const [ofA, ofB] = [a, b].map(({ reward: { reward } }) => (Number.isNaN(reward) ? Number.NEGATIVE_INFINITY : reward));
  if (ofA !== ofB) return ofA! > ofB!;
  return a.cot.text.length < b.cot.text.length;
}
