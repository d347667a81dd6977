import { ShapeError, TrainingError } from "../errors";
import { checkArguments, fieldsKind, listKind } from "../options/arguments";
import type { TokenRows, Trainer, TrainSequence } from "../trainer";

/**
 * `forwardBackward` of a trainer that has the other calls: the scores of the weights, the loss's gradients there, and `backward` along them.
 *
 * `assumedLogProbs` are log-probs at which to take the gradient, which saves a forward pass: the sampler's own when this is the first update
 * after sampling (ratio 1), or anything where the gradient is constant (SFT). With `entropies: true` the loss is handed the entropies as well, which
 * takes a forward pass. The returned loss and log-probs are always those of the present weights.
 *
 * @param forget clears the accumulated gradient, for a loss that fails after its gradient was added
 * @example
 * const primitives = { logProbs, entropies, backward };
 * return { ...primitives, forwardBackward: forwardBackwardOver(primitives, forget), optimStep, … };
 */
export function forwardBackwardOver(
  trainer: Pick<Trainer, "logProbs" | "entropies" | "backward">,
  forget: () => void = () => {},
): Trainer["forwardBackward"] {
  return async (sequences, lossFn, { assumedLogProbs, entropies: asksEntropies = false, ...scoring } = {}) => {
    if (sequences.length === 0) throw new TrainingError("forwardBackward: expected at least one sequence, got none");
    if (assumedLogProbs) checkRows("assumedLogProbs", assumedLogProbs, sequences);
    const assumed = assumedLogProbs?.map((row) => Float64Array.from(row));
    const { gradient, entropyGradient } = lossFn(
      assumed ?? (await trainer.logProbs(sequences, scoring)),
      asksEntropies ? await trainer.entropies(sequences, scoring) : undefined,
    );
    checkRows("loss gradient", gradient, sequences);
    const entropyCotangents = entropyGradient ?? (asksEntropies ? zerosFor(sequences) : undefined);
    const { logProbs, entropies } = await trainer.backward(sequences, gradient, { ...scoring, entropyCotangents });
    try {
      return { loss: lossFn(logProbs, entropies).loss, logProbs };
    } catch (error) {
      forget();
      throw error;
    }
  };
}

/** @throws ConfigError naming the first sequence without a prompt or a completion */
export function checkSequences(sequences: readonly TrainSequence[]): void {
  checkArguments("trainer", { sequences }, { sequences: sequencesKind });
}

const sequencesKind = listKind(fieldsKind({ prompt: listKind(), completion: listKind() }));

/** Cotangents that teach nothing. */
export const zerosFor = (sequences: readonly TrainSequence[]): Float64Array[] =>
  sequences.map(({ completion }) => new Float64Array(completion.length));

/**
 * Checks that there is one finite number for each token of each completion.
 * @throws ShapeError, TrainingError naming `what`, the row and the token
 */
export function checkRows(what: string, rows: TokenRows, sequences: readonly TrainSequence[]): void {
  checkSequences(sequences);
  checkArguments(what, { rows }, { rows: listKind(listKind()) });
  if (rows.length !== sequences.length)
    throw new ShapeError(`${what}: expected ${sequences.length} rows, got ${rows.length}`);
  for (const [i, { completion }] of sequences.entries()) {
    const row = rows[i]!;
    if (row.length !== completion.length)
      throw new ShapeError(`${what}, row ${i}: expected ${completion.length} numbers, got ${row.length}`);
    for (let t = 0; t < row.length; t++)
      if (!Number.isFinite(row[t]))
        throw new TrainingError(`${what}, row ${i}, token ${t}: expected a finite number, got ${row[t]}`);
  }
}
