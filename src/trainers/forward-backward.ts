import { checkRows } from "../engine/training/check-rows";
import { TrainingError } from "../errors";
import type { Trainer, TrainSequence } from "../trainer";

export { checkRows, checkSequences, checkShare } from "../engine/training/check-rows";

/**
 * Makes `forwardBackward` from a trainer's other calls: it scores the sequences, asks the loss for its gradients, and
 * calls `backward` with them.
 *
 * `assumedLogProbs` are log-probs at which to take the gradient, which saves a forward pass: the sampler's own in the
 * first update after sampling (ratio 1), or any if the gradient is constant (SFT). With `entropies: true` the loss gets
 * the entropies as well, which takes a forward pass. The returned loss and log-probs are always those of the present
 * weights.
 *
 * @param forget clears the accumulated gradient, for a loss that fails after its gradient was added
 * @example
 * const { logProbs, entropies, backward } = trainer;
 * const forwardBackward = forwardBackwardOver({ logProbs, entropies, backward });
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

/**
 * Makes cotangents of zero: one number for each token of each completion.
 * @example
 * zerosFor([{ prompt, completion: [7, 8] }]); // [Float64Array.of(0, 0)]
 */
export const zerosFor = (sequences: readonly TrainSequence[]): Float64Array[] =>
  sequences.map(({ completion }) => new Float64Array(completion.length));
