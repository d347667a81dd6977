import { ConfigError, ShapeError, TrainingError } from "../errors";

/** Sequences to take a gradient over; row i holds one number for each token of completion i, so rows differ in length. */
export interface GrpoBatch {
  /** log π_θ of each token, nats. */
  readonly logProbs: readonly ArrayLike<number>[];
  /** log π_old, of the policy that sampled them. Absent: it is the current policy, and r = 1. */
  readonly oldLogProbs?: readonly ArrayLike<number>[];
  /** log π_ref, of the policy to stay close to; needed where β ≠ 0. */
  readonly refLogProbs?: readonly ArrayLike<number>[];
  /** A, one for each completion. */
  readonly advantages: ArrayLike<number>;
  /** 1 where a token carries loss, 0 where it does not. Absent: everywhere 1. */
  readonly mask?: readonly ArrayLike<number>[];
}

/** One completion's unmasked tokens, side by side. */
export interface Sequence {
  readonly advantage: number;
  /** Tokens, masked ones included. */
  readonly tokens: number;
  /** Where in the row each unmasked token stands. */
  readonly positions: readonly number[];
  readonly logProbs: Float64Array;
  /** log π_θ − log π_old. */
  readonly logRatios: Float64Array;
  /** log π_ref − log π_θ. */
  readonly refGaps: Float64Array | undefined;
}

/** Checks a batch's shapes and numbers, and leaves the masked tokens out: what they hold is never looked at. */
export function readBatch({ logProbs, oldLogProbs, refLogProbs, advantages, mask }: GrpoBatch): readonly Sequence[] {
  if (logProbs.length === 0) throw new ShapeError("grpoLoss: expected at least one sequence, got none");
  if (advantages.length !== logProbs.length) {
    throw new ShapeError(
      `grpoLoss: expected ${logProbs.length} advantages, one for each sequence, got ${advantages.length}`,
    );
  }
  const rowsOf = { oldLogProbs, refLogProbs, mask };
  for (const [name, rows] of Object.entries(rowsOf)) checkRows(name, rows, logProbs);

  return logProbs.map((row, i) => {
    const advantage = advantages[i]!;
    if (!Number.isFinite(advantage))
      throw new ConfigError(`grpoLoss: expected a finite advantage, got ${advantage} for sequence ${i}`);
    const positions = unmasked(row.length, mask?.[i], i);
    const current = pick("logProbs", row, positions, i);
    const old = oldLogProbs && pick("oldLogProbs", oldLogProbs[i]!, positions, i);
    const ref = refLogProbs && pick("refLogProbs", refLogProbs[i]!, positions, i);
    return {
      advantage,
      tokens: row.length,
      positions,
      logProbs: current,
      logRatios: old ? current.map((logProb, k) => logProb - old[k]!) : new Float64Array(current.length),
      refGaps: ref?.map((logProb, k) => logProb - current[k]!),
    };
  });
}

function checkRows(
  name: string,
  rows: readonly ArrayLike<number>[] | undefined,
  logProbs: readonly ArrayLike<number>[],
): void {
  if (rows === undefined) return;
  if (rows.length !== logProbs.length) {
    throw new ShapeError(`grpoLoss: expected ${logProbs.length} rows of ${name}, as of logProbs, got ${rows.length}`);
  }
  for (const [i, row] of rows.entries()) {
    if (row.length !== logProbs[i]!.length) {
      throw new ShapeError(
        `grpoLoss: expected ${logProbs[i]!.length} tokens in row ${i} of ${name}, as in logProbs, got ${row.length}`,
      );
    }
  }
}

function unmasked(tokens: number, mask: ArrayLike<number> | undefined, i: number): readonly number[] {
  const positions: number[] = [];
  for (let t = 0; t < tokens; t++) {
    const value = mask?.[t] ?? 1;
    if (value !== 0 && value !== 1)
      throw new ConfigError(`grpoLoss: expected mask values 0 or 1, got ${value} at sequence ${i}, token ${t}`);
    if (value === 1) positions.push(t);
  }
  return positions;
}

function pick(name: string, row: ArrayLike<number>, positions: readonly number[], i: number): Float64Array {
  return Float64Array.from(positions, (t) => {
    const value = row[t]!;
    if (!Number.isFinite(value))
      throw new TrainingError(`grpoLoss: expected finite ${name}, got ${value} at sequence ${i}, token ${t}`);
    return value;
  });
}
