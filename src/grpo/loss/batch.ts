import { ConfigError, ShapeError, TrainingError } from "../../errors";
import { checkArguments, fieldsKind, listKind } from "../../options/arguments";
import { counted, shown } from "../../options/display";

/** A row of numbers for each completion, one number a token. */
export type Rows = readonly ArrayLike<number>[];

/**
 * Sequences for a gradient; row i holds one number for each token of completion i, so rows differ in length.
 */
export interface GrpoBatch {
  /** log π_θ of each token, nats. */
  readonly logProbs: Rows;
  /** log π_old, under the policy that sampled them. Absent: it is the current policy, and r = 1. */
  readonly oldLogProbs?: Rows;
  /** log π_ref, under the policy to stay close to; needed if β ≠ 0. */
  readonly refLogProbs?: Rows;
  /**
   * log-probs as the sampler reported them, for the corrections that need them; NaN if it did not report one, which
   * then is not corrected.
   */
  readonly samplingLogProbs?: Rows;
  /** Entropy of π_θ at each token, nats, needed for the entropy bonus and `topEntropy`. */
  readonly entropies?: Rows;
  /** A, one for each completion, or one for each token. */
  readonly advantages: ArrayLike<number> | Rows;
  /** 1 if a token carries loss, 0 if it does not. Absent: everywhere 1. */
  readonly mask?: Rows;
  /**
   * True if a completion was cut off before its end, which masks all of it. Absent: no completion was cut off.
   */
  readonly truncated?: readonly boolean[];
}

/** One completion's unmasked tokens, side by side. */
export interface Sequence {
  /** Tokens, masked ones included. */
  readonly tokens: number;
  /** The position in the row of each unmasked token. */
  readonly positions: Int32Array;
  readonly advantages: Float64Array;
  readonly logProbs: Float64Array;
  readonly oldLogProbs: Float64Array;
  readonly refLogProbs: Float64Array | undefined;
  /** The sampler's own, NaN if it did not report one; the old policy's if the batch has none. */
  readonly samplingLogProbs: Float64Array;
  readonly entropies: Float64Array | undefined;
}

/** Checks a batch's shapes and numbers, and leaves out the masked tokens: their values are never read. */
export function readBatch(batch: GrpoBatch): readonly Sequence[] {
  checkArguments(
    "grpoLoss",
    { batch },
    { batch: fieldsKind({ logProbs: listKind(listKind()), advantages: listKind() }) },
  );
  const { logProbs, oldLogProbs, refLogProbs, samplingLogProbs, entropies, mask, truncated } = batch;
  if (logProbs.length === 0) throw new ShapeError("grpoLoss: expected at least one sequence, got none");
  checkCount("advantages", batch.advantages, logProbs);
  if (truncated) checkCount("truncated", truncated, logProbs);
  const advantages = isRows(batch.advantages) ? batch.advantages : undefined;
  checkAlike(batch.advantages);
  const rowsOf = { oldLogProbs, refLogProbs, samplingLogProbs, entropies, mask, advantages };
  for (const [name, rows] of Object.entries(rowsOf)) if (rows !== undefined) checkRows(name, rows, logProbs);

  return logProbs.map((row, i) => {
    const positions = truncated?.[i] ? new Int32Array(0) : unmasked(row.length, mask?.[i], i);
    const current = pick("logProbs", row, positions, i);
    const old = oldLogProbs ? pick("oldLogProbs", oldLogProbs[i]!, positions, i) : current;
    return {
      tokens: row.length,
      positions,
      advantages: readAdvantages(batch.advantages[i]!, positions, i),
      logProbs: current,
      oldLogProbs: old,
      refLogProbs: refLogProbs && pick("refLogProbs", refLogProbs[i]!, positions, i),
      samplingLogProbs: samplingLogProbs ? Float64Array.from(positions, (t) => samplingLogProbs[i]![t]!) : old,
      entropies: entropies && pick("entropies", entropies[i]!, positions, i),
    };
  });
}

const isRows = (values: ArrayLike<number> | Rows): values is Rows => typeof values[0] === "object";

function checkAlike(advantages: ArrayLike<unknown>): void {
  const kind = typeof advantages[0];
  const odd = Array.from(advantages).findIndex((value) => typeof value !== kind);
  if (odd >= 0)
    throw new ConfigError(
      `grpoLoss: expected advantages to be a number for each sequence, or a list for each, got ${shown(advantages[odd])} for sequence ${odd} and ${shown(advantages[0])} for sequence 0`,
    );
}

function checkCount(name: string, values: ArrayLike<unknown>, logProbs: Rows): void {
  if (values.length !== logProbs.length)
    throw new ShapeError(`grpoLoss: expected ${logProbs.length} ${name}, one for each sequence, got ${values.length}`);
}

function checkRows(name: string, rows: Rows, logProbs: Rows): void {
  if (rows.length !== logProbs.length)
    throw new ShapeError(
      `grpoLoss: expected ${counted(logProbs.length, "row")} of ${name}, as of logProbs, got ${rows.length}`,
    );
  for (const [i, row] of rows.entries())
    if (row?.length !== logProbs[i]!.length)
      throw new ShapeError(
        `grpoLoss: expected ${counted(logProbs[i]!.length, "token")} in row ${i} of ${name}, as in logProbs, got ${row?.length ?? row}`,
      );
}

function unmasked(tokens: number, mask: ArrayLike<number> | undefined, i: number): Int32Array {
  const positions = new Int32Array(tokens);
  let count = 0;
  for (let t = 0; t < tokens; t++) {
    const value = mask === undefined ? 1 : mask[t]!;
    if (value !== 0 && value !== 1)
      throw new ConfigError(`grpoLoss: expected mask values 0 or 1, got ${value} at sequence ${i}, token ${t}`);
    if (value === 1) positions[count++] = t;
  }
  return positions.subarray(0, count);
}

function pick(name: string, row: ArrayLike<number>, positions: Int32Array, i: number): Float64Array {
  const values = new Float64Array(positions.length);
  for (let k = 0; k < positions.length; k++) {
    const value = row[positions[k]!]!;
    if (!Number.isFinite(value))
      throw new TrainingError(
        `grpoLoss: expected finite ${name}, got ${value} at sequence ${i}, token ${positions[k]!}`,
      );
    values[k] = value;
  }
  return values;
}

function readAdvantages(advantage: number | ArrayLike<number>, positions: Int32Array, i: number): Float64Array {
  const values = new Float64Array(positions.length);
  if (typeof advantage === "number") values.fill(advantage);
  else for (let k = 0; k < positions.length; k++) values[k] = advantage[positions[k]!]!;
  const bad = typeof advantage === "number" ? advantage : (values.find((value) => !Number.isFinite(value)) ?? 0);
  if (!Number.isFinite(bad))
    throw new ConfigError(`grpoLoss: expected finite advantages, got ${bad} for sequence ${i}`);
  return values;
}
