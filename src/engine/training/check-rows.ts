import { ShapeError, TrainingError } from "../../errors";
import { checkArguments, fieldsKind, listKind } from "../../options/arguments";
import { counted } from "../../options/display";
import { number, readArgument } from "../../options/spec";
import type { TokenRows, TrainSequence } from "../../scoring";

const sequencesKind = listKind(fieldsKind({ prompt: listKind(), completion: listKind() }));

/**
 * Checks that each sequence has a prompt and a completion.
 * @throws ConfigError naming the first that lacks one
 * @example
 * checkSequences([{ prompt, completion: [7, 8] }]);
 */
export const checkSequences = (sequences: readonly TrainSequence[]): void =>
  checkArguments("trainer", { sequences }, { sequences: sequencesKind });

/**
 * Checks that each completion has one finite number a token.
 * @throws ShapeError, TrainingError naming `what`, the row and the token
 * @example
 * checkRows("loss gradient", [[0.1, -0.2]], [{ prompt, completion: [7, 8] }]);
 */
export function checkRows(what: string, rows: TokenRows, sequences: readonly TrainSequence[]): void {
  checkSequences(sequences);
  checkArguments(what, { rows }, { rows: listKind(listKind()) });
  if (rows.length !== sequences.length)
    throw new ShapeError(`${what}: expected ${counted(sequences.length, "row")}, got ${rows.length}`);
  for (const [i, { completion }] of sequences.entries()) {
    const row = rows[i]!;
    if (row.length !== completion.length)
      throw new ShapeError(`${what}, row ${i}: expected ${counted(completion.length, "number")}, got ${row.length}`);
    for (let t = 0; t < row.length; t++)
      if (!Number.isFinite(row[t]))
        throw new TrainingError(`${what}, row ${i}, token ${t}: expected a finite number, got ${row[t]}`);
  }
}

/**
 * Checks the share that `Trainer.interpolate` keeps.
 * @throws ConfigError unless it is from 0 to 1
 * @example
 * checkShare(0.5);
 */
export function checkShare(share: number): void {
  const kind = number("from 0 to 1", (value) => value >= 0 && value <= 1);
  readArgument("interpolate", "share", share, kind);
}
